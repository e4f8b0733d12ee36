package io.github.cmemcache.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.cmemcache.Client;
import io.github.cmemcache.MultiResult;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The Java example of docs/kotlin.md, word for word but for the address of the server. */
class GuideJavaTest {
    @Test
    void java() {
        try (Memcached server = new Memcached()) {
            String address = server.getAddress();
            try (Client cache = new Client(address)) {
                cache.set("answer", 42, Duration.ofMinutes(5));
                Integer answer = cache.get("answer", Integer.class);
                MultiResult<String> names = cache.getMulti(List.of("name:1", "name:2"), String.class);
                if (!cache.add("lock", "me", Duration.ofSeconds(10)).isStored()) {
                    System.out.println("locked by " + cache.get("lock", String.class) + ", " + names.size() + " names, " + answer);
                }
            }
            try (Client cache = new Client(address)) {
                assertEquals(42, cache.get("answer", Integer.class));
                assertEquals("me", cache.get("lock", String.class));
            }
        }
    }
}
