package io.github.cmemcache.tests

import io.github.cmemcache.Client
import io.github.cmemcache.Dialect
import io.github.cmemcache.ForbiddenClassException
import io.github.cmemcache.ForeignValueException
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.UndecodableValueException
import io.github.cmemcache.ValueOptions
import net.rubyeye.xmemcached.XMemcachedClient
import net.rubyeye.xmemcached.transcoders.CompressionMode
import net.spy.memcached.ConnectionFactoryBuilder
import net.spy.memcached.MemcachedClient
import net.spy.memcached.transcoders.Transcoder
import net.spy.memcached.transcoders.WhalinTranscoder
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import java.net.InetSocketAddress
import java.time.Instant
import java.util.Date
import java.util.concurrent.TimeUnit
import kotlin.random.Random
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertTrue

/** One cache shared with programs that use spymemcached, xmemcached or their ancestors. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class JavaPeersTest {
    private val server = Memcached()
    private val address = InetSocketAddress("127.0.0.1", server.port)
    private val cache = Client(server.address, options = PATIENT, values = ValueOptions(Dialect.SPYMEMCACHED, javaClasses = setOf(Point::class.java.name)))
    private val raw = StringClient(server.address, options = PATIENT)
    private val spy = MemcachedClient(ConnectionFactoryBuilder().setDaemon(true).build(), listOf(address))
    private val xmemcached = XMemcachedClient(address)

    @AfterAll
    fun end() {
        spy.shutdown()
        xmemcached.shutdown()
        cache.close()
        raw.close()
        server.close()
    }

    /** All types of SerializingTranscoder, at the edges of their ranges. */
    private val values: List<Any> = listOf(
        "", "text", "schlüssel 鍵 🔑", "{\"json\":1}", true, false,
        0, 1, -1, 255, 256, Int.MAX_VALUE, Int.MIN_VALUE,
        0L, 1L, -1L, 1L shl 40, Long.MAX_VALUE, Long.MIN_VALUE,
        0.toByte(), 1.toByte(), (-1).toByte(), Byte.MIN_VALUE,
        0f, -0f, 1.5f, -1.5f, Float.MIN_VALUE, Float.MAX_VALUE, Float.NaN, Float.NEGATIVE_INFINITY,
        0.0, -0.0, 1.5, -1.5, Double.MIN_VALUE, Double.MAX_VALUE, Double.NaN, Double.POSITIVE_INFINITY,
        Date(0), Date(1), Date(1_700_000_000_000), Date(-1),
        12.toShort(), arrayListOf("a", 1, null), hashMapOf("k" to 1L), listOf(1, 2), Instant.EPOCH, Point(1, 2),
        "compressible ".repeat(2000), arrayListOf(*Array(5000) { "element $it" }),
    )

    @Test
    fun `what spymemcached writes is read`() {
        for (value in values) {
            assertTrue(spy.set("k", 0, value).get())
            assertEquals(value, cache.get<Any>("k"), describe(value))
        }
    }

    @Test
    fun `what is written spymemcached reads and would have written itself`() {
        for (value in values) {
            assertEquals(Stored, cache.setObject("k", value))
            assertEquals(value, spy.get("k"), describe(value))
            val ours = assertNotNull(raw.get("k"))
            spy.set("k", 0, value).get()
            val theirs = assertNotNull(raw.get("k"))
            assertEquals(theirs.flags, ours.flags, describe(value))
            if (ours.flags and 2 == 0) assertContentEquals(theirs.value, ours.value, describe(value))
        }
    }

    @Test
    fun `values are shared with xmemcached both ways`() {
        for (value in values) {
            assertTrue(xmemcached.set("k", 0, value))
            assertEquals(value, cache.get<Any>("k"), describe(value))
            cache.setObject("k", value)
            assertEquals(value, xmemcached.get("k"), describe(value))
        }
    }

    @Test
    fun `byte arrays are shared both ways whether compressed or not`() {
        for (bytes in listOf(ByteArray(0), byteArrayOf(1, -1), ByteArray(100_000), Random(1).nextBytes(100_000))) {
            spy.set("k", 0, bytes).get()
            assertContentEquals(bytes, cache.get<ByteArray>("k"))
            cache.set("k", bytes)
            assertContentEquals(bytes, spy.get("k") as ByteArray)
            assertContentEquals(bytes, xmemcached.get("k") as ByteArray)
        }
    }

    @Test
    fun `zlib that xmemcached writes under the flag of gzip is read`() {
        val zlib = XMemcachedClient(address)
        try {
            zlib.transcoder.setCompressionMode(CompressionMode.ZIP)
            val text = "compressible ".repeat(2000)
            assertTrue(zlib.set("k", 0, text))
            val stored = assertNotNull(raw.get("k"))
            assertTrue(stored.flags and 2 != 0 && stored.value[0] == 0x78.toByte())
            assertEquals(text, cache.get<String>("k"))
        } finally {
            zlib.shutdown()
        }
    }

    @Test
    fun `typed reads convert numbers and refuse other types`() {
        spy.set("k", 0, 7).get()
        assertEquals(7L, cache.get<Long>("k"))
        assertEquals(7, cache.get("k", Int::class.javaObjectType))
        assertFailsWith<UndecodableValueException> { cache.get<String>("k") }
        assertFailsWith<UndecodableValueException> { cache.get<Date>("k") }
    }

    @Test
    fun `batches are shared with spymemcached`() {
        val entries = (0 until 200).associate { "key-$it" to "value-$it" }
        assertEquals(200, cache.setMulti(entries).orThrow().size)
        assertEquals<Map<String, Any>>(entries, spy.getBulk(entries.keys))
        assertEquals(entries, cache.getMulti<String>(entries.keys).orThrow())
    }

    @Test
    fun `what cannot be read is an error and no miss`() {
        raw.set("k", "no gzip", flags = 2)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        raw.set("k", "no object", flags = 1)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        raw.set("k", "too long for an int", flags = 0x200)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        raw.set("k", "x", flags = 0x900)
        assertFailsWith<ForeignValueException> { cache.get<Any>("k") }
        raw.set("k", "1", flags = 0x18000)
        assertFailsWith<ForeignValueException> { cache.get<Any>("k") }
        spy.set("k", 0, Trap()).get()
        assertEquals(Trap::class.java.name, assertFailsWith<ForbiddenClassException> { cache.get<Any>("k") }.className)
        assertEquals(false, Trap.sprung)
    }

    @Test
    fun `what this library writes by default spymemcached does not mistake for something else`() {
        Client(server.address, options = PATIENT).use { portable ->
            portable.set("k", listOf(1, 2))
            // It says so in its log and returns null, as it does for everything it cannot read.
            assertEquals(null, spy.get("k"))
        }
    }

    @Test
    fun `what whalin's transcoder wrote is read`() {
        Client(server.address, options = PATIENT, values = ValueOptions(Dialect.WHALIN)).use { whalin ->
            val transcoders: List<(String, Any) -> Unit> = listOf(
                { key, value -> spy.set(key, 0, value, WhalinTranscoder() as Transcoder<Any>).get(5, TimeUnit.SECONDS) },
                { key, value -> xmemcached.set(key, 0, value, net.rubyeye.xmemcached.transcoders.WhalinTranscoder()) },
            )
            for (store in transcoders) {
                for (value in values.filter { it !is Point } + listOf('c', '鍵', 12.toShort(), (-12).toShort())) {
                    store("k", value)
                    assertEquals(value, whalin.get<Any>("k"), describe(value))
                }
                store("k", StringBuffer("buffer"))
                assertEquals("buffer", whalin.get<StringBuffer>("k").toString())
                store("k", StringBuilder("builder"))
                assertEquals("builder", whalin.get<StringBuilder>("k").toString())
                store("k", ByteArray(20_000))
                assertContentEquals(ByteArray(20_000), whalin.get<ByteArray>("k"))
                store("k", Trap())
                assertFailsWith<ForbiddenClassException> { whalin.get<Any>("k") }
            }
            raw.set("k", "x", flags = 1 shl 15)
            assertFailsWith<ForeignValueException> { whalin.get<Any>("k") }
            raw.set("k", "too long", flags = 4)
            assertFailsWith<UndecodableValueException> { whalin.get<Any>("k") }
        }
    }

    private fun describe(value: Any): String = "${value.javaClass.simpleName} ${"$value".take(40)}"
}
