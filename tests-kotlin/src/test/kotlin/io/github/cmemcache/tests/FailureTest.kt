package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.ClosedException
import io.github.cmemcache.DisconnectedException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.ServerState
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.TimeoutException
import org.junit.jupiter.api.Test
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/** Servers that die, come back or hang, and clients that are closed or shared meanwhile. */
class FailureTest {
    @Test
    fun `a server that was restarted is used again without a new client`() {
        Memcached().use { server ->
            StringClient(server.address, options = PATIENT.copy(deadRetry = 200.milliseconds)).use { cache ->
                cache.set("k", "v")
                server.restart()
                assertNull(cache.get("k"))
                server.kill()
                assertFailsWith<CacheException> { cache.get("k") }
                server.restart()
                Thread.sleep(500)
                assertEquals(Stored, cache.set("k", "v"))
                assertEquals("v", cache.get("k")?.text)
            }
        }
    }

    @Test
    fun `a dead server costs its own keys of a batch and no others`() {
        val servers = List(3) { Memcached() }
        try {
            StringClient(servers.map { ServerSpec(it.address) }, PATIENT).use { cache ->
                val entries = (0 until 300).associate { "key-$it" to "value-$it".toByteArray() }
                assertEquals(300, cache.setMulti(entries, 1.minutes).orThrow().size)
                servers[1].kill()
                val read = cache.getMulti(entries.keys)
                assertEquals(entries.keys, read.keys + read.errors.keys)
                assertTrue(read.size in 100..299 && read.errors.size in 1..200, "${read.size} and ${read.errors.size}")
                read.forEach { (key, item) -> assertEquals(entries.getValue(key).decodeToString(), item.text) }
                read.errors.values.forEach { assertEquals(servers[1].address, it.server) }
                val deleted = cache.deleteMulti(entries.keys)
                assertEquals(read.errors.keys, deleted.errors.keys)
                val replies = cache.version().associateBy { it.server }
                assertTrue(replies.getValue(servers[1].address).error is ServerDownException)
                assertNull(replies.getValue(servers[0].address).error)
            }
        } finally {
            servers.forEach { it.close() }
        }
    }

    @Test
    fun `a batch waits for the slowest server and not for the sum`() {
        val silent = List(4) { FakeServer.silent() }
        try {
            val options = PATIENT.copy(protocol = io.github.cmemcache.WireProtocol.META, timeout = 2.seconds)
            StringClient(silent.map { ServerSpec(it.address) }, options).use { cache ->
                val keys = (0 until 100).map { "key-$it" }
                val took = measureTime { assertEquals(keys.toSet(), cache.getMulti(keys).errors.keys) }
                assertTrue(took < 7.seconds, "$took")
            }
        } finally {
            silent.forEach { it.close() }
        }
    }

    @Test
    fun `a late reply never reaches the next caller`() {
        Memcached().use { server ->
            StringClient(server.address, options = PATIENT.copy(failureLimit = 1000)).use { cache ->
                cache.set("a", "of a")
                cache.set("b", "of b")
                repeat(5) {
                    server.signal("STOP")
                    assertFailsWith<TimeoutException> { cache.withTimeout(50.milliseconds).get("a") }
                    server.signal("CONT")
                    assertEquals("of b", cache.get("b")?.text)
                    assertEquals("of a", cache.get("a")?.text)
                }
            }
        }
    }

    @Test
    fun `a server marked down is left alone until it is forgotten`() {
        Memcached().use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                cache.set("k", "v")
                cache.markDown(server.address, 1.minutes)
                assertEquals(server.address, assertFailsWith<ServerDownException> { cache.get("k") }.server)
                val metrics = cache.metrics().single()
                assertEquals(ServerState.DOWN, metrics.state)
                assertTrue(metrics.downForMillis in 30_000L..60_000L)
                cache.forgetDeadHosts()
                assertEquals("v", cache.get("k")?.text)
            }
        }
    }

    @Test
    fun `64 threads share a client and each gets its own values`() {
        Memcached("-c", "1024").use { server ->
            StringClient(server.address, options = PATIENT.copy(timeout = 20.seconds)).use { cache ->
                val failures = ConcurrentLinkedQueue<Throwable>()
                val threads = List(64) { number ->
                    thread {
                        try {
                            repeat(200) { round -> exchange(cache, "$number-$round") }
                        } catch (e: Throwable) {
                            failures += e
                        }
                    }
                }
                threads.forEach { it.join() }
                failures.firstOrNull()?.let { throw it }
                assertTrue(cache.metrics().single().connections <= 8)
            }
        }
    }

    private fun exchange(cache: StringClient, name: String) {
        val value = "$name ".repeat(1 + name.hashCode().mod(2000)).toByteArray()
        assertEquals(Stored, cache.set(name, value))
        assertTrue(value.contentEquals(cache.get(name)?.value))
        val batch = (0 until 10).associate { "$name-$it" to "$name-$it".toByteArray() }
        assertEquals(10, cache.setMulti(batch).orThrow().size)
        cache.getMulti(batch.keys).orThrow().forEach { (key, item) -> assertEquals(key, item.text) }
        assertTrue(cache.delete(name))
    }

    @Test
    fun `a client can be closed while calls are in flight`() {
        Memcached().use { server ->
            repeat(20) {
                val cache = StringClient(server.address, options = PATIENT)
                val started = CountDownLatch(8)
                val done = AtomicLong()
                val failures = ConcurrentLinkedQueue<Throwable>()
                val threads = List(8) { number ->
                    thread {
                        started.countDown()
                        try {
                            while (true) {
                                cache.set("k$number", "value $number")
                                cache.get("k$number")?.let { assertEquals("value $number", it.text) }
                                cache.getMulti(listOf("k$number")).orThrow()
                                cache.version()
                                done.incrementAndGet()
                            }
                        } catch (_: ClosedException) {
                            // The way out.
                        } catch (e: Throwable) {
                            failures += e
                        }
                    }
                }
                started.await()
                while (done.get() < 100 && failures.isEmpty()) Thread.sleep(1)
                cache.close()
                threads.forEach { it.join(30_000) }
                assertTrue(threads.none { it.isAlive })
                failures.firstOrNull()?.let { throw it }
            }
        }
    }

    @Test
    fun `close does not wait for a server that hangs`() {
        FakeServer.silent().use { server ->
            val cache = StringClient(server.address, options = PATIENT.copy(timeout = 6.seconds))
            val caller = thread {
                try {
                    cache.get("k")
                } catch (_: CacheException) {
                    // Whether it ends by its deadline or by the close.
                }
            }
            assertTrue(comesTrue { cache.metrics().single().connects > 0 })
            val took = measureTime { cache.close() }
            assertTrue(took < 4.seconds, "$took")
            caller.join(30_000)
            assertTrue(!caller.isAlive)
        }
    }

    @Test
    fun `a connection that is cut during a store leaves its outcome unknown`() {
        FakeServer { socket, input ->
            input.read(ByteArray(100))
            socket.close()
        }.use { server ->
            StringClient(server.address, options = PATIENT.copy(protocol = io.github.cmemcache.WireProtocol.META)).use { cache ->
                val error = assertFailsWith<DisconnectedException> { cache.set("k", "v") }
                assertEquals(server.address, error.server)
                assertTrue(error.outcomeUnknown)
            }
        }
    }

    @Test
    fun `an interrupted thread gets its answers`() {
        Memcached().use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                Thread.currentThread().interrupt()
                try {
                    cache.set("k", "v")
                    assertEquals("v", cache.get("k")?.text)
                } finally {
                    assertTrue(Thread.interrupted())
                }
            }
        }
    }
}
