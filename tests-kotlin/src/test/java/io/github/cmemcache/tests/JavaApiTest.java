package io.github.cmemcache.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.cmemcache.CacheException;
import io.github.cmemcache.Client;
import io.github.cmemcache.ClientOptions;
import io.github.cmemcache.Dialect;
import io.github.cmemcache.Failover;
import io.github.cmemcache.Flags;
import io.github.cmemcache.Item;
import io.github.cmemcache.KeyTooLongException;
import io.github.cmemcache.MultiResult;
import io.github.cmemcache.Placement;
import io.github.cmemcache.ServerDownException;
import io.github.cmemcache.ServerSpec;
import io.github.cmemcache.Spin;
import io.github.cmemcache.StoreOutcome;
import io.github.cmemcache.StringClient;
import io.github.cmemcache.UndecodableValueException;
import io.github.cmemcache.ValueOptions;
import io.github.cmemcache.Versioned;
import io.github.cmemcache.WireProtocol;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The library as a Java program sees it. */
class JavaApiTest {
    private static Memcached server;

    @BeforeAll
    static void start() {
        server = new Memcached();
    }

    @AfterAll
    static void end() {
        server.close();
    }

    record Money(long cents, String currency) implements java.io.Serializable {}

    @Test
    void stringsOfBytesAreStoredAndRead() {
        try (StringClient cache = new StringClient(server.getAddress())) {
            assertTrue(cache.set("k", "text").isStored());
            cache.set("k", "text", Duration.ofMinutes(5));
            cache.set("k", new byte[] {1, 2}, Duration.ofMinutes(5), 42);
            Item item = cache.get("k");
            assertArrayEquals(new byte[] {1, 2}, item.getValue());
            assertEquals(42, item.getFlags());
            assertNull(item.getCas());
            assertSame(StoreOutcome.NotStored.INSTANCE, cache.add("k", "again"));
            assertTrue(cache.replace("k", "b", null).isStored());
            assertTrue(cache.append("k", "c").isStored());
            assertTrue(cache.prepend("k", "a").isStored());
            assertEquals("abc", cache.get("k").getText());
            long token = cache.gets("k").getCas();
            assertTrue(cache.cas("k", "d", token).isStored());
            assertSame(StoreOutcome.Exists.INSTANCE, cache.cas("k", "e", token, Duration.ofHours(1)));
            assertTrue(cache.touch("k", Duration.ofHours(1)));
            assertEquals("d", cache.getAndTouch("k", Duration.ofHours(1)).getText());
            assertNotNull(cache.getsAndTouch("k", null).getCas());
            assertNull(cache.get("missing"));
        }
    }

    @Test
    void countersCountAndBatchesTellEachKey() {
        try (StringClient cache = new StringClient(ServerSpec.listOf(server.getAddress()))) {
            cache.delete("n");
            assertNull(cache.incr("n"));
            assertEquals(5, cache.incr("n", 1, 5));
            assertEquals(8L, cache.incr("n", 3));
            assertEquals(7L, cache.decr("n"));
            assertEquals(9, cache.decr("m" + System.nanoTime(), 1, 9, Duration.ofHours(1)));
            MultiResult<StoreOutcome> stored = cache.setMulti(Map.of("a", new byte[] {1}, "b", new byte[] {2}), Duration.ofHours(1));
            assertEquals(2, stored.size());
            MultiResult<Item> read = cache.getMulti(List.of("a", "b", "missing"));
            assertEquals(List.of("a", "b"), List.copyOf(read.keySet()));
            assertTrue(read.getErrors().isEmpty());
            assertEquals(Map.of("a", true, "b", true), cache.deleteMulti(List.of("a", "b")).orThrow());
            assertEquals("OK", cache.flushAll().get(0).getReply());
            assertNotNull(cache.version().get(0).getReply());
            assertNotNull(cache.stats().get(0).getStats().get("pid"));
            assertNull(cache.metadata("missing"));
            assertEquals(server.getAddress(), cache.metrics().get(0).getServer());
        }
    }

    @Test
    void objectsAreStoredByTheirClass() {
        ValueOptions values = ValueOptions.builder().javaClasses(Money.class).compressFrom(1000).build();
        try (Client cache = new Client(new String[] {server.getAddress()}, ClientOptions.builder().build(), values)) {
            cache.set("k", "text");
            assertEquals("text", cache.get("k", String.class));
            cache.set("k", 42, Duration.ofMinutes(1));
            assertEquals(42, cache.get("k", Integer.class));
            assertEquals(42, cache.get("k", int.class));
            assertEquals(42L, cache.get("k", Object.class));
            cache.set("k", List.of("a", Map.of("b", 2.5)));
            assertEquals(List.of("a", Map.of("b", 2.5)), cache.get("k", Object.class));
            cache.set("k", Instant.EPOCH);
            assertEquals(Instant.EPOCH, cache.get("k", Instant.class));
            cache.set("k", new Money(100, "EUR"));
            assertEquals(new Money(100, "EUR"), cache.get("k", Money.class));
            assertThrows(UndecodableValueException.class, () -> cache.get("k", String.class));
            cache.set("k", null);
            assertNull(cache.get("k", Object.class));
            cache.delete("k");
            assertTrue(cache.add("k", 1).isStored());
            assertTrue(cache.replace("k", 2, Duration.ofHours(1)).isStored());
            Versioned<Integer> versioned = cache.gets("k", Integer.class);
            assertEquals(2, versioned.getValue());
            assertTrue(cache.cas("k", 3, versioned.getCas()).isStored());
            assertEquals(3, cache.getAndTouch("k", Duration.ofHours(1), Integer.class));
            cache.setMulti(Map.of("x", 1, "y", 2));
            assertEquals(Map.of("x", 1, "y", 2), cache.getMulti(List.of("x", "y"), Integer.class));
            assertEquals(2, cache.getsMulti(List.of("x", "y"), Integer.class).size());
        }
    }

    @Test
    void everyOptionHasASetter() {
        ClientOptions options = ClientOptions.builder()
            .protocol(WireProtocol.META)
            .placement(Placement.KETAMA_WEIGHTED)
            .failover(Failover.REHASH)
            .timeout(Duration.ofMillis(500))
            .connectTimeout(Duration.ofMillis(100))
            .deadRetry(Duration.ofSeconds(5))
            .failureLimit(2)
            .maxConnections(2)
            .maxValueSize(1000)
            .keyPrefix("java:")
            .binaryKeys(false)
            .flushOnReconnect(false)
            .spin(new Spin.Fixed(10))
            .build();
        try (StringClient cache = new StringClient(List.of(new ServerSpec(server.getAddress(), 2)), options)) {
            assertTrue(cache.set("k", "v").isStored());
            assertEquals("v", cache.withTimeout(Duration.ofMillis(200)).get("k").getText());
        }
        ValueOptions values = ValueOptions.builder().dialect(Dialect.SPYMEMCACHED).maxDecompressedSize(1 << 20).build();
        try (Client cache = new Client(ServerSpec.listOf(server.getAddress()), options, values)) {
            cache.set("k", 5);
            assertEquals(5, cache.get("k", Integer.class));
        }
        assertEquals(0x18000, Flags.PORTABLE);
    }

    @Test
    void failuresAreExceptionsThatNeedNoDeclaration() {
        try (StringClient cache = new StringClient("127.0.0.1:1")) {
            CacheException error = assertThrows(ServerDownException.class, () -> cache.get("k"));
            assertEquals("127.0.0.1:1", error.getServer());
            assertThrows(KeyTooLongException.class, () -> cache.get("k".repeat(251)));
            assertThrows(NullPointerException.class, () -> cache.get(null));
            assertEquals(1, cache.getMulti(List.of("a")).getErrors().size());
        }
    }
}
