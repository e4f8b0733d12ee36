package io.github.cmemcache.tests

import io.github.cmemcache.DisconnectedException
import io.github.cmemcache.Failover
import io.github.cmemcache.NotNumericException
import io.github.cmemcache.Placement
import io.github.cmemcache.ProtocolException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.ServerMetrics
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.ServerState
import io.github.cmemcache.Spin
import io.github.cmemcache.StringClient
import io.github.cmemcache.TimeoutException
import io.github.cmemcache.WireProtocol
import org.junit.jupiter.api.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What a client counts for its servers and what servers tell of items, and that every choice of an option is one. */
class MetricsTest {
    /** What was counted when a call failed as it should. */
    private inline fun <reified E : Throwable> failing(
        address: String,
        protocol: WireProtocol = WireProtocol.META,
        timeout: Duration = PATIENT.timeout,
        crossinline call: (StringClient) -> Unit,
    ): ServerMetrics = StringClient(address, options = PATIENT.copy(protocol, timeout = timeout)).use {
        assertFailsWith<E> { call(it) }
        it.metrics().single()
    }

    @Test
    fun `failures are counted by kind`() {
        assertEquals(1, failing<ServerDownException>("127.0.0.1:${freePort()}") { it.get("k") }.connectErrors)
        FakeServer.silent().use { server ->
            val metrics = failing<TimeoutException>(server.address, timeout = 500.milliseconds) { it.get("k") }
            assertEquals(1, metrics.timeouts)
            assertEquals(ServerState.SUSPECT, metrics.state)
        }
        FakeServer { _, input -> input.read() }.use { server ->
            assertEquals(1, failing<DisconnectedException>(server.address) { it.set("k", "v") }.disconnects)
        }
        FakeServer.http().use { server ->
            assertEquals(1, failing<ProtocolException>(server.address) { it.get("k") }.protocolErrors)
        }
        Memcached().use { server ->
            val metrics = failing<NotNumericException>(server.address, WireProtocol.CLASSIC) {
                it.set("k", "text")
                it.incr("k")
            }
            assertEquals(1, metrics.serverErrors)
        }
    }

    @Test
    fun `metadata tells what the server knows`() = Memcached().use { server ->
        StringClient(server.address, options = PATIENT).use { client ->
            client.set("k", "value", 100.seconds)
            val fresh = assertNotNull(client.metadata("k"))
            assertFalse(fresh.fetched)
            assertTrue(fresh.idleSeconds < 10)
            assertContains(90L..110L, fresh.ttlSeconds)
            assertTrue(fresh.slabClass > 0)
            assertTrue(fresh.size > "kvalue".length)
            client.get("k")
            val read = assertNotNull(client.metadata("k"))
            assertTrue(read.fetched)
            assertEquals(fresh.cas, read.cas)
        }
    }

    private val protocols = listOf(WireProtocol.AUTO, WireProtocol.META, WireProtocol.CLASSIC)
    private val placements =
        listOf(Placement.MODULO, Placement.MODULA, Placement.KETAMA, Placement.KETAMA_WEIGHTED, Placement.RENDEZVOUS)
    private val failovers = listOf(Failover.FAIL_FAST, Failover.REHASH)
    private val spins = listOf(Spin.Auto, Spin.Off, Spin.Fixed(100))

    @Test
    fun `every choice of every option works`() {
        assertEquals(listOf(protocols, placements, failovers), listOf(WireProtocol.entries, Placement.entries, Failover.entries))
        val servers = List(3) { Memcached() }
        val specs = servers.map { ServerSpec(it.address) }
        for (protocol in protocols) for (placement in placements) for (failover in failovers) for (spin in spins) {
            StringClient(specs, PATIENT.copy(protocol, placement, failover, spin = spin)).use { client ->
                val value = "$protocol $placement $failover $spin"
                client.set("k", value)
                assertEquals(value, client.get("k")?.text)
            }
        }
        servers.forEach { it.close() }
    }
}
