package io.github.cmemcache.tests

import io.github.cmemcache.Client
import io.github.cmemcache.CacheException
import io.github.cmemcache.ClosedException
import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.StringClient
import io.github.cmemcache.UnsupportedException
import io.github.cmemcache.ValueTooLargeException
import io.github.cmemcache.WireProtocol
import io.github.cmemcache.testing.Counts
import io.github.cmemcache.testing.Fault
import io.github.cmemcache.testing.Server
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import java.net.ConnectException
import java.net.Socket
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** The embedded server, as a user's tests have it. */
class TestingServerTest {
    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `values are stored, expire when the clock is moved, and are counted`(protocol: WireProtocol) {
        Server().use { server ->
            Client(server.address, options = PATIENT.copy(protocol = protocol)).use { cache ->
                cache.set("key", listOf(1, 2), 1.minutes)
                assertEquals(listOf(1, 2), cache.get<List<Int>>("key"))
                server.advance(61.seconds)
                assertNull(cache.get<List<Int>>("key"))
                cache.delete("key")
                val counts = Counts(
                    connections = 1, openConnections = 1, commands = 4, reads = 2, hits = 1, misses = 1, stores = 1, deletes = 1,
                )
                assertEquals(counts, server.counts())
                cache.set("key", 1, 1.minutes)
                server.advance(java.time.Duration.ofMinutes(2))
                assertNull(cache.get<Int>("key"))
                server.clear()
                assertEquals(0, server.counts().commands)
            }
        }
    }

    @Test
    fun `a stopped server refuses connections and a restarted one is empty`() {
        Server().use { server ->
            StringClient(server.address, options = PATIENT).use { it.set("key", "value") }
            server.stop()
            server.stop()
            StringClient(server.address, options = PATIENT).use { cache -> assertFailsWith<ServerDownException> { cache.get("key") } }
            server.restart()
            StringClient(server.address, options = PATIENT).use { cache -> assertNull(cache.get("key")) }
        }
    }

    @Test
    fun `a closed server is gone and says so`() {
        val server = Server()
        assertEquals("127.0.0.1:${server.port}", server.address)
        assertEquals("Server(${server.address})", server.toString())
        server.close()
        server.close()
        assertFailsWith<ConnectException> { Socket("127.0.0.1", server.port) }
        val calls = listOf<() -> Any>(
            { server.stop() }, { server.restart() }, { server.clear() }, { server.counts() },
            { server.advance(1.seconds) }, { server.inject(Fault.Reset) },
        )
        calls.forEach { assertFailsWith<ClosedException> { it() } }
    }

    @Test
    fun `servers leave no thread and no socket`() {
        fun threads() = java.io.File("/proc/self/task").listFiles()?.count {
            runCatching { it.resolve("comm").readText().startsWith("cmemcache-testi") }.getOrDefault(false)
        }
        val before = threads()
        val ports = List(20) {
            Server().use { server ->
                StringClient(server.address, options = PATIENT).use { it.set("key", "value") }
                server.port
            }
        }
        // A thread is listed for a moment after it was waited for.
        assertTrue(comesTrue { threads() == before }, "$before threads, then ${threads()}")
        ports.forEach { port -> assertFailsWith<ConnectException> { Socket("127.0.0.1", port) } }
    }

    @Test
    fun `limits evict and refuse`() {
        Server(itemSizeMax = 2000, memoryLimit = 5000).use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                repeat(10) { cache.set("key$it", ByteArray(900)) }
                assertNull(cache.get("key0"))
                assertNotNull(cache.get("key9"))
                assertFailsWith<ValueTooLargeException> { cache.set("key9", ByteArray(3000)) }
                assertNull(cache.get("key9"))
            }
        }
    }

    @Test
    fun `an old version is spoken to in the classic protocol`() {
        Server(version = "1.4.39").use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                cache.set("key", "value")
                assertEquals("value", cache.get("key")?.text)
                assertEquals("1.4.39", cache.version().single().reply)
                assertFailsWith<UnsupportedException> { cache.metadata("key") }
            }
        }
    }

    @Test
    fun `a server that wants credentials serves nobody without`() {
        Server(user = "ann", password = "s3cret").use { server ->
            StringClient(server.address, options = PATIENT).use { cache -> assertFailsWith<CacheException> { cache.set("key", "value") } }
            Socket("127.0.0.1", server.port).use { socket ->
                socket.getOutputStream().write("set auth 0 0 10\r\nann s3cret\r\nget key\r\nquit\r\n".toByteArray())
                assertEquals("STORED\r\nEND\r\n", socket.getInputStream().readBytes().decodeToString())
            }
        }
    }

    @Test
    fun `arguments out of their range are refused by name`() {
        fun refused(words: String, call: () -> Unit) =
            assertContains(assertFailsWith<InvalidArgumentException> { call() }.message.orEmpty(), words)
        refused("port is 65536") { Server(port = 65536) }
        refused("version") { Server(version = "new") }
        refused("itemSizeMax is -1") { Server(itemSizeMax = -1) }
        refused("item_size_max is 10") { Server(itemSizeMax = 10) }
        refused("memory_limit is 0") { Server(memoryLimit = 0) }
        refused("memoryLimit is -1") { Server(memoryLimit = -1) }
        refused("user and password") { Server(user = "ann") }
        Server().use { server ->
            refused("times is -1") { server.inject(Fault.Reset, -1) }
            refused("length is -1") { server.inject(Fault.Split(-1)) }
            refused("negative") { server.advance((-1).seconds) }
            refused("negative") { server.inject(Fault.Delay((-1).milliseconds)) }
            val taken = assertFailsWith<ServerDownException> { Server(port = server.port) }
            assertTrue(taken.message.orEmpty().startsWith("cannot listen on ${server.address}"))
        }
    }
}
