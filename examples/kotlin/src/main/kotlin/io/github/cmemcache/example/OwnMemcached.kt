package io.github.cmemcache.example

import io.github.cmemcache.testing.Server
import java.io.File
import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket

/** A memcached on a port of this machine, ended with the program. */
interface OwnMemcached : AutoCloseable {
    val address: String

    fun start()

    fun kill()

    override fun close() = kill()

    companion object {
        /** A process of memcached, or where that is not installed the embedded one of the library. */
        operator fun invoke(): OwnMemcached = if (isInstalled()) Process() else Embedded()

        private fun isInstalled() =
            System.getenv("PATH").orEmpty().split(File.pathSeparator).any { File(it, "memcached").canExecute() }
    }

    private class Embedded : OwnMemcached {
        private val server = Server()
        override val address = server.address

        init {
            println("memcached is not installed: this is the embedded one, and its speed says nothing")
        }

        override fun start() = server.restart()

        override fun kill() = server.stop()
    }

    private class Process : OwnMemcached {
        private val port = ServerSocket(0, 1, InetAddress.getByName("127.0.0.1")).use { it.localPort }
        override val address = "127.0.0.1:$port"
        private var process = launch()

        override fun start() {
            process = launch()
        }

        override fun kill() {
            process.destroyForcibly().waitFor()
        }

        private fun launch(): java.lang.Process {
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
}
