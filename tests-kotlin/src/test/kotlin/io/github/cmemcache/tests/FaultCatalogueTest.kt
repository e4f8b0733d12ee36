package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.DisconnectedException
import io.github.cmemcache.ProtocolException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.ServerErrorException
import io.github.cmemcache.StringClient
import io.github.cmemcache.TimeoutException
import io.github.cmemcache.WireProtocol
import io.github.cmemcache.testing.Fault
import io.github.cmemcache.testing.Server
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/** What servers and networks do to clients, a test each; in every protocol, through the packed calls. */
class FaultCatalogueTest {
    private fun ready(protocol: WireProtocol, test: (Server, StringClient) -> Unit) {
        Server().use { server ->
            val options = PATIENT.copy(protocol = protocol, failureLimit = 1000)
            StringClient(server.address, options = options).use { cache ->
                fill(cache)
                test(server, cache)
            }
        }
    }

    private fun fill(cache: StringClient) {
        cache.set("k", "value of k", flags = 7)
        cache.set("other", "value of other")
    }

    /** Every key has its own value: no reply reached another call. */
    private fun isWell(cache: StringClient) = repeat(3) {
        assertEquals("value of k", cache.get("k")?.text)
        assertEquals("value of other", cache.get("other")?.text)
        assertEquals(setOf("k", "other"), cache.getMulti(listOf("k", "missing", "other")).orThrow().keys)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `the late reply of a timed-out call never reaches another call`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        val hasty = cache.withTimeout(30.milliseconds)
        repeat(5) {
            server.inject(Fault.Delay(100.milliseconds))
            assertFailsWith<TimeoutException> { hasty.get("k") }
            assertEquals("value of other", cache.get("other")?.text)
        }
        isWell(cache)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a reply split at every byte is whole`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        val large = ByteArray(70_000) { it.toByte() }
        cache.set("large", large)
        for (length in 0..40) {
            server.inject(Fault.Split(length))
            val item = cache.get("k")
            assertEquals("value of k" to 7, item?.text to item?.flags)
            server.inject(Fault.Split(length), 3)
            assertEquals(2, cache.getMulti(listOf("k", "missing", "other")).orThrow().size)
            server.clear()
            fill(cache)
        }
        cache.set("large", large)
        server.inject(Fault.Split(1000))
        assertContentEquals(large, cache.get("large")?.value)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a server that closes inside a reply is an error and no value`(protocol: WireProtocol) {
        for (length in 0..20) {
            ready(protocol) { server, cache ->
                // Once for the read and once for its repetition.
                server.inject(Fault.Truncate(length), 2)
                assertFailsWith<DisconnectedException> { cache.get("k") }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a reset in a store leaves its outcome unknown`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        server.inject(Fault.Reset)
        val error = assertFailsWith<DisconnectedException> { cache.set("k", "x") }
        assertTrue(error.outcomeUnknown)
        fill(cache)
        isWell(cache)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `out of memory is an error of the server and the connection is used on`(protocol: WireProtocol) =
        ready(protocol) { server, cache ->
            val before = server.counts().connections
            server.inject(Fault.OutOfMemory)
            assertFailsWith<ServerErrorException> { cache.set("k", "x") }
            assertNull(cache.get("k"))
            fill(cache)
            isWell(cache)
            assertEquals(before, server.counts().connections)
        }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `one connection too many is an error and the next call connects`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        cache.disconnectAll()
        server.inject(Fault.TooManyConnections, 1000)
        assertFailsWith<CacheException> { cache.get("k") }
        server.clear()
        cache.forgetDeadHosts()
        fill(cache)
        isWell(cache)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `garbage is an error of the protocol`(protocol: WireProtocol) {
        for (garbage in listOf("\u0000\u0001\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "VALUE wrong 0 5\r\nwrong\r\nEND\r\n")) {
            ready(protocol) { server, cache ->
                server.inject(Fault.Garbage(garbage))
                assertFailsWith<ProtocolException> { cache.get("k") }
                isWell(cache)
            }
        }
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `doubled, dropped and swapped replies never give another key's value`(protocol: WireProtocol) {
        for (fault in listOf(Fault.Duplicate, Fault.Drop, Fault.Swap)) {
            ready(protocol) { server, cache ->
                val hasty = cache.withTimeout(150.milliseconds)
                repeat(3) {
                    server.inject(fault)
                    for ((key, value) in listOf("k" to "value of k", "other" to "value of other")) {
                        try {
                            assertEquals(value, hasty.get(key)?.text, "$fault")
                        } catch (_: CacheException) {
                            // An error is right, a foreign value is not.
                        }
                    }
                }
                isWell(cache)
            }
        }
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a server that falls silent costs no more than the deadline`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        server.inject(Fault.Silence)
        val took = measureTime { assertFailsWith<TimeoutException> { cache.withTimeout(100.milliseconds).set("k", "x") } }
        assertTrue(took < 5.seconds, "$took")
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a half-closed connection is replaced`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        val before = server.counts().connections
        server.inject(Fault.HalfClose)
        isWell(cache)
        assertEquals(before + 1, server.counts().connections)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a server that is gone is down and one that is back is used`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        server.stop()
        assertFailsWith<CacheException> { cache.set("k", "x") }
        assertFailsWith<ServerDownException> { cache.set("k", "x") }
        server.restart()
        cache.forgetDeadHosts()
        fill(cache)
        isWell(cache)
    }

    @ParameterizedTest
    @EnumSource(WireProtocol::class)
    fun `a restart between two reads goes unnoticed`(protocol: WireProtocol) = ready(protocol) { server, cache ->
        server.restart()
        assertNull(cache.get("k"))
    }
}
