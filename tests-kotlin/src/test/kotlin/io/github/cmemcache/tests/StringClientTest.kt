package io.github.cmemcache.tests

import io.github.cmemcache.MultiResult
import io.github.cmemcache.NotNumericException
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.ServerState
import io.github.cmemcache.StoreOutcome.Exists
import io.github.cmemcache.StoreOutcome.NotFound
import io.github.cmemcache.StoreOutcome.NotStored
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.UnsupportedException
import io.github.cmemcache.WireProtocol
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Nested
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Every operation, over both protocols, against a real memcached. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class StringClientTest(private val protocol: WireProtocol) {
    private val server = Memcached()
    private val cache = StringClient(server.address, options = PATIENT.copy(protocol = protocol))

    @AfterAll
    fun end() {
        cache.close()
        server.close()
    }

    @BeforeEach
    fun empty() {
        cache.flushAll().forEach { assertNull(it.error) }
    }

    @Test
    fun `a value comes back as it was stored with its flags`() {
        assertEquals(Stored, cache.set("k", byteArrayOf(0, 1, -1, 13, 10), flags = 0x7fffffff))
        val item = assertNotNull(cache.get("k"))
        assertContentEquals(byteArrayOf(0, 1, -1, 13, 10), item.value)
        assertEquals(0x7fffffff, item.flags)
        assertNull(item.cas)
    }

    @Test
    fun `all 32 bits of the flags come back`() {
        cache.set("k", "v", flags = -1)
        assertEquals(UInt.MAX_VALUE, cache.get("k")?.flags?.toUInt())
    }

    @Test
    fun `an empty value is no miss`() {
        cache.set("k", "")
        assertEquals(0, cache.get("k")?.value?.size)
    }

    @Test
    fun `a missing key reads as null`() {
        assertNull(cache.get("missing"))
        assertNull(cache.gets("missing"))
        assertNull(cache.getAndTouch("missing", 1.minutes))
        assertNull(cache.incr("missing"))
        assertNull(cache.decr("missing"))
        assertFalse(cache.delete("missing"))
        assertFalse(cache.touch("missing", 1.minutes))
    }

    @Test
    fun `text is stored as utf 8`() {
        cache.set("schlüssel-鍵-🔑", "wert-値-💎")
        assertEquals("wert-値-💎", cache.get("schlüssel-鍵-🔑")?.text)
        assertContentEquals("wert-値-💎".toByteArray(), cache.get("schlüssel-鍵-🔑")?.value)
    }

    @Test
    fun `keys up to 250 bytes are stored`() {
        cache.set(key(250), "v")
        assertEquals("v", cache.get(key(250))?.text)
    }

    @Test
    fun `add stores only what is missing and replace only what is there`() {
        assertEquals(NotStored, cache.replace("k", "0"))
        assertEquals(Stored, cache.add("k", "1"))
        assertEquals(NotStored, cache.add("k", "2"))
        assertEquals("1", cache.get("k")?.text)
        assertEquals(Stored, cache.replace("k", "3"))
        assertEquals("3", cache.get("k")?.text)
        assertTrue(Stored.isStored)
        assertFalse(NotStored.isStored)
    }

    @Test
    fun `append and prepend extend a value and keep its flags`() {
        assertEquals(NotStored, cache.append("k", "x"))
        assertEquals(NotStored, cache.prepend("k", byteArrayOf(1)))
        cache.set("k", "b", flags = 7)
        assertEquals(Stored, cache.append("k", "c"))
        assertEquals(Stored, cache.prepend("k", "a".toByteArray()))
        assertEquals("abc", cache.get("k")?.text)
        assertEquals(7, cache.get("k")?.flags)
    }

    @Test
    fun `cas stores only over the item that was read`() {
        assertEquals(NotFound, cache.cas("k", "v", 1))
        cache.set("k", "1")
        val token = assertNotNull(cache.gets("k")?.cas)
        assertEquals(Stored, cache.cas("k", "2", token, 1.hours, flags = 5))
        assertEquals(Exists, cache.cas("k", "3".toByteArray(), token))
        assertEquals("2", cache.get("k")?.text)
        assertEquals(5, cache.get("k")?.flags)
        assertNotEquals(token, cache.gets("k")?.cas)
    }

    @Test
    fun `delete tells whether there was an item`() {
        cache.set("k", "v")
        assertTrue(cache.delete("k"))
        assertFalse(cache.delete("k"))
        assertNull(cache.get("k"))
    }

    @Test
    fun `incr wraps at 64 bits and decr stops at zero`() {
        // memcached 1.6.18 refuses numbers from 2^63 on if older bytes behind them, in reused memory, hold a minus sign.
        Memcached().use { fresh ->
            StringClient(fresh.address, options = PATIENT.copy(protocol = protocol)).use { counter ->
                counter.set("n", "18446744073709551614")
                assertEquals(ULong.MAX_VALUE, counter.incr("n")?.toULong())
                assertEquals(1, counter.incr("n", 2))
                assertEquals(0, counter.decr("n", Long.MAX_VALUE))
                assertEquals(Long.MAX_VALUE, counter.incr("n", Long.MAX_VALUE))
            }
        }
    }

    @Test
    fun `counters are made where there are none`() {
        assertEquals(5, cache.incr("up", 1, 5, 1.hours))
        assertEquals(6, cache.incr("up", 1, 5, 1.hours))
        assertEquals(9, cache.decr("down", 2, 9))
        assertEquals(7, cache.decr("down", 2, 9))
    }

    @Test
    fun `incr on what is no number is an error that names the server`() {
        cache.set("k", "text")
        val error = assertFailsWith<NotNumericException> { cache.incr("k") }
        assertEquals(server.address, error.server)
        assertEquals("text", cache.get("k")?.text)
    }

    @Test
    fun `a lifetime below a second is rounded up and not taken for never`() {
        // The server's clock may tick before the read.
        val isThere = comesTrue {
            cache.set("k", "v", 1.milliseconds)
            cache.get("k")?.text == "v"
        }
        assertTrue(isThere)
        assertTrue(comesTrue { cache.get("k") == null })
    }

    @Test
    fun `a lifetime of zero or less expires at once`() {
        cache.set("zero", "v", Duration.ZERO)
        cache.set("less", "v", (-5).seconds)
        cache.set("java", "v", java.time.Duration.ZERO)
        assertEquals(emptyMap(), cache.getMulti(listOf("zero", "less", "java")))
    }

    @Test
    fun `a lifetime of more than 30 days is no time of 1970`() {
        cache.set("k", "v", 40.days)
        assertEquals("v", cache.get("k")?.text)
    }

    @Test
    fun `touch and getAndTouch give a new lifetime`() {
        cache.set("k", "v", flags = 3)
        assertTrue(cache.touch("k", 1.hours))
        assertEquals("v", cache.getAndTouch("k", 1.hours)?.text)
        assertEquals(3, cache.getAndTouch("k", java.time.Duration.ofHours(1))?.flags)
        assertEquals(cache.gets("k")?.cas, cache.getsAndTouch("k", 2.hours)?.cas)
        assertEquals("v", cache.getsAndTouch("k", (-1).seconds)?.text)
        assertNull(cache.get("k"))
    }

    @Test
    fun `getMulti returns the hits in the order of the keys`() {
        val keys = (0 until 300).map { "key-$it" }
        val entries = keys.filter { it.hashCode() % 3 != 0 }.associateWith { "value of $it".toByteArray() }
        val stored = cache.setMulti(entries, 1.hours, flags = 9)
        assertEquals(entries.keys, stored.keys)
        assertEquals(setOf(Stored), stored.values.toSet<Any>())
        val read = cache.getMulti(keys).orThrow()
        assertEquals(entries.keys.toList(), read.keys.toList())
        read.forEach { (key, item) ->
            assertEquals("value of $key", item.text)
            assertEquals(9, item.flags)
            assertNull(item.cas)
        }
        val tokens = cache.getsMulti(keys)
        assertEquals(entries.keys, tokens.keys)
        tokens.forEach { (key, item) -> assertEquals(cache.gets(key)?.cas, item.cas) }
        val deleted = cache.deleteMulti(keys)
        assertEquals(keys.associateWith { it in entries }, deleted)
        assertTrue(cache.getMulti(keys).isEmpty())
    }

    @Test
    fun `batches of nothing are answered without a server`() {
        assertTrue(cache.getMulti(emptyList()).isEmpty())
        assertTrue(cache.setMulti(emptyMap()).isEmpty())
        assertTrue(cache.deleteMulti(emptySet()).isEmpty())
    }

    @Test
    fun `a key given twice is answered once`() {
        cache.set("k", "v")
        assertEquals(listOf("k"), cache.getMulti(listOf("k", "k")).keys.toList())
    }

    @Test
    fun `large values come back whole and fit no buffer`() {
        for (size in listOf(16 * 1024 - 16, 16 * 1024, 16 * 1024 + 1, 100_000, 1_000_000)) {
            val value = ByteArray(size) { (it * 31).toByte() }
            assertEquals(Stored, cache.set("k", value))
            assertContentEquals(value, cache.get("k")?.value)
        }
        val entries = (0 until 20).associate { "k$it" to ByteArray(100_000) { at -> (at + it).toByte() } }
        assertEquals(20, cache.setMulti(entries).count { it.value == Stored })
        cache.getMulti(entries.keys).forEach { (key, item) -> assertContentEquals(entries[key], item.value) }
    }

    @Test
    fun `a batch of many keys fits no buffer either`() {
        val keys = (0 until 5000).map { "a-key-that-takes-some-room-$it" }
        assertEquals(5000, cache.setMulti(keys.associateWith { it.toByteArray() }).size)
        val items = cache.getMulti(keys)
        keys.forEach { assertEquals(it, items[it]?.text) }
    }

    @Test
    fun `metadata tells of an item or is refused by the classic protocol`() {
        cache.set("k", "value", 100.seconds)
        if (protocol == WireProtocol.CLASSIC) {
            assertFailsWith<UnsupportedException> { cache.metadata("k") }
            return
        }
        val metadata = assertNotNull(cache.metadata("k"))
        assertTrue(metadata.ttlSeconds in 98L..100L)
        assertTrue(metadata.idleSeconds in 0L..5L)
        assertEquals(cache.gets("k")?.cas, metadata.cas)
        assertFalse(metadata.fetched)
        assertTrue(metadata.size > 5)
        cache.set("forever", "v")
        assertNull(assertNotNull(cache.metadata("forever")).ttlSeconds)
        assertNull(cache.metadata("missing"))
    }

    @Test
    fun `servers tell their version and statistics`() {
        val version = cache.version().single()
        assertEquals(server.address, version.server)
        assertTrue(assertNotNull(version.reply).startsWith("1."))
        val stats = cache.stats().single()
        assertEquals(server.address, stats.server)
        assertEquals(1, stats.weight)
        assertEquals(version.reply, stats.stats["version"])
        assertTrue("maxbytes" in cache.stats("settings").single().stats)
        assertEquals("OK", cache.verbosity(0).single().reply)
    }

    @Test
    fun `flushAll drops what is there now or later`() {
        cache.set("k", "v")
        cache.flushAll(1.hours)
        assertEquals("v", cache.get("k")?.text)
        assertEquals("OK", cache.flushAll().single().reply)
        assertNull(cache.get("k"))
    }

    @Test
    fun `metrics count what was done`() {
        StringClient(server.address, options = PATIENT.copy(protocol = protocol)).use { fresh ->
            assertEquals(0, fresh.metrics().single().connects)
            fresh.set("k", "v")
            fresh.get("k")
            fresh.getMulti(listOf("k", "missing"))
            val metrics = fresh.metrics().single()
            assertEquals(server.address, metrics.server)
            assertEquals(ServerState.UP, metrics.state)
            assertEquals(4, metrics.operations)
            assertEquals(2, metrics.hits)
            assertEquals(1, metrics.misses)
            assertEquals(1, metrics.connects)
            assertEquals(1, metrics.connections)
            assertEquals(0, metrics.inFlight)
            assertTrue(metrics.bytesRead > 0 && metrics.bytesWritten > 0)
            fresh.disconnectAll()
            assertEquals(0, fresh.metrics().single().connections)
            assertEquals("v", fresh.get("k")?.text)
        }
    }

    @Test
    fun `servers can be replaced`() {
        Memcached().use { other ->
            StringClient(server.address, options = PATIENT.copy(protocol = protocol)).use { fresh ->
                fresh.set("k", "first")
                fresh.setServers(ServerSpec.listOf(other.address))
                assertNull(fresh.get("k"))
                assertEquals(other.address, fresh.metrics().single().server)
                fresh.setServers(listOf(ServerSpec(server.address, 2)))
                assertEquals("first", fresh.get("k")?.text)
            }
        }
    }

    @Test
    fun `a view with another deadline shares the connections`() {
        StringClient(server.address, options = PATIENT.copy(protocol = protocol)).use { fresh ->
            fresh.set("k", "v")
            val hasty = fresh.withTimeout(5.seconds)
            assertEquals("v", hasty.get("k")?.text)
            assertEquals("OK", hasty.flushAll().single().reply)
            assertEquals(1, fresh.metrics().single().connects)
        }
    }

    @Test
    fun `a prefix stands in front of every key`() {
        StringClient(server.address, options = PATIENT.copy(protocol = protocol, keyPrefix = "app:")).use { prefixed ->
            prefixed.set("k", "v")
            assertEquals("v", cache.get("app:k")?.text)
            val items: MultiResult<*> = prefixed.getMulti(listOf("k"))
            assertEquals(setOf("k"), items.keys)
        }
    }
}

class StringClientMetaTest : StringClientTest(WireProtocol.META) {
    @Nested
    inner class BinaryKeys {
        @Test
        fun `every string of bytes can be a key`() {
            Memcached().use { server ->
                val options = PATIENT.copy(binaryKeys = true, keyCharset = io.github.cmemcache.KeyCharset.LATIN_1)
                StringClient(server.address, options = options).use { cache ->
                    val key = (0..185).map { it.toChar() }.joinToString("")
                    cache.set(key, "v")
                    assertEquals("v", cache.get(key)?.text)
                    assertEquals("v", cache.getMulti(listOf(key))[key]?.text)
                }
            }
        }
    }
}

class StringClientClassicTest : StringClientTest(WireProtocol.CLASSIC)
