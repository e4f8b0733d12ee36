package io.github.cmemcache.example

import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket

/** A memcached on a free port of this machine, ended with the program. */
class OwnMemcached : AutoCloseable {
    private val port = ServerSocket(0, 1, InetAddress.getByName("127.0.0.1")).use { it.localPort }
    val address: String = "127.0.0.1:$port"
    private var process = launch()

    fun start() {
        process = launch()
    }

    fun kill() {
        process.destroyForcibly().waitFor()
    }

    override fun close() = kill()

    private fun launch(): Process {
        val user = if (System.getProperty("user.name") == "root") listOf("-u", "root") else emptyList()
        val started = ProcessBuilder(listOf("memcached", "-l", "127.0.0.1", "-p", "$port", "-U", "0") + user).inheritIO().start()
        repeat(500) {
            check(started.isAlive) { "memcached does not start" }
            if (listens()) return started
            Thread.sleep(10)
        }
        error("memcached does not listen on $address")
    }

    private fun listens(): Boolean = try {
        Socket("127.0.0.1", port).close()
        true
    } catch (_: IOException) {
        false
    }
}
