package io.github.cmemcache.tests

import io.github.cmemcache.Client
import io.github.cmemcache.StringClient
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val CLIENTS = 2000

/** Of the virtual machine's own threads and files a few come and go at any time. */
private const val NOISE = 20

class ClientsComeAndGoTest {
    private fun held(what: String): Int = File("/proc/self/$what").list()!!.size

    /** Runs it for 50 clients to warm up, then for all, and waits for what the collector gives back. */
    private fun leavesNothing(collects: Boolean, use: (Memcached) -> Unit) {
        assumeTrue(File("/proc/self/fd").exists(), "threads and descriptors are counted in /proc")
        Memcached("-c", "${2 * CLIENTS}").use { server ->
            repeat(50) { use(server) }
            if (collects) settle { true }
            val (threads, descriptors) = held("task") to held("fd")
            repeat(CLIENTS) {
                use(server)
                if (collects && it % 200 == 199) System.gc()
            }
            val isFlat = { held("task") <= threads + NOISE && held("fd") <= descriptors + NOISE }
            if (collects) settle(isFlat) else comesTrue(isFlat)
            val figures = "threads $threads -> ${held("task")}, descriptors $descriptors -> ${held("fd")}"
            println("$CLIENTS clients came and went: $figures")
            assertTrue(isFlat(), figures)
        }
    }

    private fun settle(isFlat: () -> Boolean) {
        for (attempt in 1..150) {
            System.gc()
            Thread.sleep(200)
            if (attempt > 2 && isFlat()) return
        }
    }

    @Test
    fun `2000 clients that are closed leave no thread or descriptor behind`() = leavesNothing(collects = false) { server ->
        StringClient(server.address, options = PATIENT).use { it.set("k", "v") }
        Client(server.address, options = PATIENT).use { assertEquals("v", it.get<String>("k")) }
    }

    @Test
    fun `2000 clients that are dropped leave no thread or descriptor behind`() = leavesNothing(collects = true) { server ->
        StringClient(server.address, options = PATIENT).set("k", "v")
    }
}
