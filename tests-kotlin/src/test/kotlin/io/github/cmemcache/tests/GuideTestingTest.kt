package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.testing.Fault
import io.github.cmemcache.testing.Server
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** The example of docs/testing.md, word for word. */
class PriceTest {
    private val server = Server()
    private val cache = Client(server.address)

    @AfterEach
    fun close() {
        cache.close()
        server.close()
    }

    private fun price(article: String): Int = try {
        cache.get<Int>(article) ?: 42.also { cache.set(article, it, 1.minutes) }
    } catch (_: CacheException) {
        42
    }

    @Test
    fun `a price is asked for once a minute`() {
        assertEquals(price("pen"), price("pen"))
        assertEquals(1, server.counts().stores)
        server.advance(61.seconds)
        price("pen")
        assertEquals(2, server.counts().stores)
    }

    @Test
    fun `there is a price whatever the cache does`() {
        server.inject(Fault.Reset, times = 10)
        assertEquals(42, price("pen"))
        server.stop()
        assertEquals(42, price("pen"))
    }
}
