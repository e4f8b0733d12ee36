package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.StringClient
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** The heap is touched as a whole when the tests start, so that what the process grows by is native memory. */
class NativeMemoryTest {
    @Test
    fun `a million operations leave no native memory behind`() {
        val status = File("/proc/self/status")
        assumeTrue(status.exists(), "resident memory is read from /proc")
        fun resident() = status.useLines { lines -> lines.first { it.startsWith("VmRSS") } }.filter { it.isDigit() }.toLong()

        Memcached().use { server ->
            StringClient(server.address, options = PATIENT).use { cache ->
                operations(cache, server, 200_000)
                System.gc()
                // What the machine itself takes, for compiled code and for allocators of threads, it takes once or twice; what is
                // forgotten is forgotten every time. A leak of 20 bytes per operation would be seen.
                val isFlat = (1..4).any {
                    val before = resident()
                    operations(cache, server, 1_000_000)
                    System.gc()
                    val grown = resident() - before
                    println("grown by $grown KiB")
                    grown < 20_000
                }
                assertTrue(isFlat, "it grows every time")
            }
        }
    }

    /** All kinds of operation, in proportions as programs have them; large replies, errors and clients that come and go too. */
    private fun operations(cache: StringClient, server: Memcached, total: Int) {
        val value = ByteArray(200)
        val large = ByteArray(200_000)
        val threads = List(8) { number ->
            thread {
                val keys = List(10) { "key-$number-$it" }
                var done = 0
                while (done < total / 8) {
                    repeat(40) {
                        cache.set(keys[it % 10], value)
                        assertEquals(200, cache.get(keys[it % 10])?.value?.size)
                    }
                    assertEquals(10, cache.getMulti(keys).size)
                    cache.gets(keys[0])
                    cache.delete(keys[0])
                    try {
                        cache.get("illegal key")
                    } catch (_: CacheException) {
                        // An error takes memory of its own.
                    }
                    done += 93
                    if (done % 20 == 0) {
                        cache.set("large-$number", large)
                        assertEquals(200_000, cache.get("large-$number")?.value?.size)
                        StringClient(server.address, options = PATIENT).use { it.get("k") }
                        cache.stats()
                        done += 4
                    }
                }
            }
        }
        threads.forEach { it.join() }
    }
}
