package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.ClosedException
import io.github.cmemcache.Dialect
import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.KeyCharacterException
import io.github.cmemcache.KeyCharset
import io.github.cmemcache.KeyTooLongException
import io.github.cmemcache.NoServersException
import io.github.cmemcache.Phase
import io.github.cmemcache.ProtocolException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.Spin
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.TimeoutException
import io.github.cmemcache.ValueOptions
import io.github.cmemcache.ValueTooLargeException
import io.github.cmemcache.WireProtocol
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/** What a caller or a server can do wrong, and what the caller is told. */
class BadInputTest {
    /** Every operation that takes a key. */
    private val operations: Map<String, (StringClient, String) -> Unit> = mapOf(
        "get" to { cache, key -> cache.get(key) },
        "gets" to { cache, key -> cache.gets(key) },
        "getAndTouch" to { cache, key -> cache.getAndTouch(key, 1.hours) },
        "getsAndTouch" to { cache, key -> cache.getsAndTouch(key, 1.hours) },
        "getMulti" to { cache, key -> cache.getMulti(listOf("good", key)) },
        "getsMulti" to { cache, key -> cache.getsMulti(listOf(key)) },
        "set" to { cache, key -> cache.set(key, "v") },
        "add" to { cache, key -> cache.add(key, "v") },
        "replace" to { cache, key -> cache.replace(key, "v") },
        "append" to { cache, key -> cache.append(key, "v") },
        "prepend" to { cache, key -> cache.prepend(key, "v") },
        "cas" to { cache, key -> cache.cas(key, "v", 1) },
        "setMulti" to { cache, key -> cache.setMulti(mapOf("good" to ByteArray(1), key to ByteArray(1))) },
        "delete" to { cache, key -> cache.delete(key) },
        "deleteMulti" to { cache, key -> cache.deleteMulti(listOf(key)) },
        "incr" to { cache, key -> cache.incr(key) },
        "decr" to { cache, key -> cache.decr(key, 1, 0) },
        "touch" to { cache, key -> cache.touch(key, 1.hours) },
        "metadata" to { cache, key -> cache.metadata(key) },
    )

    @Test
    fun `an illegal key is an error and not a byte is sent`() {
        val tooLong = listOf(key(251), key(100_000), "é".repeat(126), key(10_000_000))
        val badCharacter = (0..0x20).map { "k${it.toChar()}k" } + listOf("", "\u007f", " ", "a b", "a\r\nflush_all\r\n", "\ud800", "k\udfff")
        FakeServer.silent().use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                for ((name, operation) in operations) {
                    for (key in tooLong) assertFailsWith<KeyTooLongException>("$name of ${key.length}") { operation(cache, key) }
                    for (key in badCharacter) assertFailsWith<KeyCharacterException>("$name of '$key'") { operation(cache, key) }
                }
                assertEquals(0, cache.metrics().single().connects)
            }
            assertEquals(0, server.bytesReceived)
        }
    }

    @Test
    fun `the limit of a key counts its prefix and its encoding`() {
        FakeServer.silent().use { server ->
            StringClient(server.address, options = PATIENT.copy(keyPrefix = "four")).use { cache ->
                assertFailsWith<KeyTooLongException> { cache.get(key(247)) }
            }
            val binary = PATIENT.copy(protocol = WireProtocol.META, binaryKeys = true)
            StringClient(server.address, options = binary).use { cache ->
                assertFailsWith<KeyTooLongException> { cache.get(key(187)) }
            }
            StringClient(server.address, options = PATIENT.copy(keyCharset = KeyCharset.LATIN_1)).use { cache ->
                val error = assertFailsWith<KeyCharacterException> { cache.get("a€") }
                assertEquals("key holds U+20AC at index 1, which has no form in LATIN_1", error.message)
            }
            assertEquals(0, server.bytesReceived)
        }
    }

    @Test
    fun `an argument out of its range is an error that names it and the limit`() {
        FakeServer.silent().use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                fun refused(vararg words: String, call: () -> Unit) {
                    val message = assertFailsWith<InvalidArgumentException>(words.joinToString()) { call() }.message.orEmpty()
                    words.forEach { assertTrue(it in message, "'$it' is not in '$message'") }
                }
                refused("delta", "-1") { cache.incr("k", -1) }
                refused("delta", "-9223372036854775808") { cache.decr("k", Long.MIN_VALUE) }
                refused("initial", "-1") { cache.incr("k", 1, -1) }
                refused("expiry", "999999999") { cache.set("k", "v", 12_000.days) }
                refused("expiry", "999999999") { cache.touch("k", java.time.Duration.ofSeconds(Long.MAX_VALUE)) }
                refused("timeout", "1 h") { cache.withTimeout(Duration.ZERO) }
                refused("timeout", "1 h") { cache.withTimeout(2.hours) }
                refused("timeout", "1 h") { cache.withTimeout((-1).seconds) }
                refused("timeout", "1 h") { cache.withTimeout(900.microseconds) }
                refused("delay", "-1") { cache.flushAll((-1).seconds) }
                refused("delay") { cache.flushAll(Duration.INFINITE) }
                refused("level", "-1") { cache.verbosity(-1) }
                refused("time", "-1") { cache.markDown(server.address, (-1).seconds) }
                refused("127.0.0.1:1") { cache.markDown("127.0.0.1:1", 1.seconds) }
            }
            assertEquals(0, server.bytesReceived)
        }
    }

    @Test
    fun `a client is not made of options out of their range`() {
        fun refused(word: String, options: ClientOptions) {
            val message = assertFailsWith<InvalidArgumentException>(word) { StringClient("127.0.0.1", options = options) }.message.orEmpty()
            assertTrue(word in message.replace("_", "").lowercase(), message)
        }
        refused("timeout", ClientOptions(timeout = Duration.ZERO))
        refused("timeout", ClientOptions(timeout = 2.hours))
        refused("timeout", ClientOptions(timeout = Duration.INFINITE))
        refused("connecttimeout", ClientOptions(connectTimeout = (-1).seconds))
        refused("deadretry", ClientOptions(deadRetry = 2.hours))
        refused("failurelimit", ClientOptions(failureLimit = 0))
        refused("failurelimit", ClientOptions(failureLimit = -1))
        refused("maxconnections", ClientOptions(maxConnections = 1025))
        refused("maxvaluesize", ClientOptions(maxValueSize = -1))
        refused("maxvaluesize", ClientOptions(maxValueSize = (1L shl 30) + 1))
        refused("keyprefix", ClientOptions(keyPrefix = "a b"))
        refused("keyprefix", ClientOptions(keyPrefix = key(250)))
        refused("spin", ClientOptions(spin = Spin.Fixed(1001)))
        refused("spin", ClientOptions(spin = Spin.Fixed(-1)))
        assertFailsWith<KeyCharacterException> { StringClient("127.0.0.1", options = ClientOptions(keyPrefix = "\ud800")) }
        assertFailsWith<InvalidArgumentException> { Client("127.0.0.1", values = ValueOptions(compressFrom = -1)) }
        assertFailsWith<InvalidArgumentException> { Client("127.0.0.1", values = ValueOptions(maxDecompressedSize = 0)) }
    }

    @Test
    fun `a malformed server is an error at construction that names it`() {
        for (address in listOf("", ":", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "/tmp/socket", "unix:", "a b:1", "[::1")) {
            val error = assertFailsWith<InvalidArgumentException>(address) { StringClient(address) }
            assertTrue(address in error.message.orEmpty(), error.message)
        }
        for (weight in listOf(-1, 0, 10_001)) {
            val error = assertFailsWith<InvalidArgumentException> { StringClient(listOf(ServerSpec("127.0.0.1", weight))) }
            assertTrue("weight" in error.message.orEmpty(), error.message)
        }
    }

    @Test
    fun `without servers every call fails and says why`() {
        StringClient().use { cache ->
            assertFailsWith<NoServersException> { cache.get("k") }
            assertFailsWith<NoServersException> { cache.set("k", "v") }
            assertFailsWith<NoServersException> { cache.getMulti(listOf("k")).orThrow() }
            assertEquals(emptyList(), cache.metrics())
        }
    }

    @Test
    fun `nothing listening is an error within the connect timeout that names server and phase`() {
        val address = "127.0.0.1:${freePort()}"
        StringClient(address, options = PATIENT).use { cache ->
            val took = measureTime {
                val error = assertFailsWith<ServerDownException> { cache.get("k") }
                assertEquals(address to Phase.CONNECT, error.server to error.phase)
                assertEquals(false, error.outcomeUnknown)
            }
            assertTrue(took < 5.seconds, "$took")
            assertFailsWith<ServerDownException> { cache.set("k", "v") }
            val batch = cache.getMulti(listOf("a", "b"))
            assertTrue(batch.isEmpty())
            assertEquals(setOf("a", "b"), batch.errors.keys)
            batch.errors.values.forEach { assertEquals(address, assertNotNull(it as? ServerDownException).server) }
            assertFailsWith<ServerDownException> { batch.orThrow() }
            assertTrue(cache.version().single().error is ServerDownException)
            assertTrue(cache.stats().single().error is ServerDownException)
        }
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `what is not memcached is an error and no hang`(protocol: WireProtocol) {
        FakeServer.http().use { server ->
            StringClient(server.address, options = PATIENT.copy(protocol = protocol)).use { cache ->
                val took = measureTime {
                    val error = assertFailsWith<ProtocolException> { cache.get("k") }
                    assertEquals(server.address, error.server)
                    assertFailsWith<CacheException> { cache.set("k", "v") }
                }
                assertTrue(took < 5.seconds, "$took")
                assertEquals(0, cache.metrics().single().connections)
            }
        }
    }

    @Test
    fun `a server that says nothing costs the timeout and no more`() {
        FakeServer.silent().use { server ->
            val options = PATIENT.copy(protocol = WireProtocol.META, timeout = 1.seconds)
            StringClient(server.address, options = options).use { cache ->
                for (call in listOf({ cache.set("k", "v") }, { cache.withTimeout(500.milliseconds).set("k", "v") })) {
                    val took = measureTime {
                        val error = assertFailsWith<TimeoutException> { call() }
                        assertEquals(server.address to Phase.READ, error.server to error.phase)
                        assertTrue(error.outcomeUnknown)
                    }
                    assertTrue(took in 490.milliseconds..5.seconds, "$took")
                }
            }
        }
    }

    @Test
    fun `a value over the limit is an error and the server stays in use`() {
        Memcached().use { server ->
            StringClient(server.address, options = PATIENT.copy(maxValueSize = 1000)).use { cache ->
                val error = assertFailsWith<ValueTooLargeException> { cache.set("k", ByteArray(1001)) }
                assertNull(error.server)
                assertEquals(0, cache.metrics().single().connects)
                assertEquals(Stored, cache.set("k", ByteArray(1000)))
                val batch = cache.setMulti(mapOf("a" to ByteArray(1001), "b" to ByteArray(1)))
                assertEquals<Map<String, Any>>(mapOf("b" to Stored), batch)
                assertTrue(batch.errors["a"] is ValueTooLargeException)
            }
            StringClient(server.address, options = PATIENT.copy(maxValueSize = 0)).use { cache ->
                cache.set("k", "old")
                val error = assertFailsWith<ValueTooLargeException> { cache.set("k", ByteArray(2_000_000)) }
                assertEquals(server.address, error.server)
                assertNull(cache.get("k"))
                assertEquals(Stored, cache.set("k", "new"))
                assertEquals(1, cache.metrics().single().connects)
            }
        }
    }

    @Test
    fun `a closed client refuses every call`() {
        Memcached().use { server ->
            val cache = StringClient(server.address, options = PATIENT)
            cache.set("k", "v")
            val view = cache.withTimeout(100.milliseconds)
            cache.close()
            cache.close()
            for ((name, operation) in operations) {
                assertFailsWith<ClosedException>(name) { operation(cache, "k") }
                assertFailsWith<ClosedException>(name) { operation(view, "k") }
            }
            assertFailsWith<ClosedException> { cache.stats() }
            assertFailsWith<ClosedException> { cache.version() }
            assertFailsWith<ClosedException> { cache.flushAll() }
            assertFailsWith<ClosedException> { cache.setServers(ServerSpec.listOf(server.address)) }
        }
    }

    @Test
    fun `a dialect that only reads refuses to store`() {
        Client("127.0.0.1", values = ValueOptions(dialect = Dialect.WHALIN)).use { cache ->
            assertFailsWith<InvalidArgumentException> { cache.set("k", "v") }
        }
    }
}
