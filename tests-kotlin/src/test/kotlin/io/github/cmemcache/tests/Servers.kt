package io.github.cmemcache.tests

import io.github.cmemcache.ClientOptions
import java.io.InputStream
import java.io.OutputStream
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

private val LOOPBACK: InetAddress = InetAddress.getByName("127.0.0.1")

private val reserved = CopyOnWriteArrayList<Socket>()

/**
 * A port on which nobody listens, and that the system gives to nobody while the tests run: it is bound and never listens, so that
 * who connects is refused, and a server that asks to share it, as memcached does, may listen, end and come back.
 */
fun freePort(): Int {
    val bound = Socket()
    bound.reuseAddress = true
    bound.bind(InetSocketAddress(0))
    reserved += bound
    return bound.localPort
}

/** Options of clients whose calls are expected to end well: a busy machine can stand still for a second. */
val PATIENT = ClientOptions(timeout = 20.seconds, connectTimeout = 10.seconds)

/** Waits up to 30 s until something is so; whether it is. */
fun comesTrue(isSo: () -> Boolean): Boolean {
    val begun = TimeSource.Monotonic.markNow()
    while (!isSo()) {
        if (begun.elapsedNow() > 30.seconds) return false
        Thread.sleep(5)
    }
    return true
}

/** A real memcached on a free port of 127.0.0.1, ended with the test. */
class Memcached @JvmOverloads constructor(private vararg val options: String, val port: Int = freePort()) : AutoCloseable {
    val address: String = "127.0.0.1:$port"
    private var process: Process = start()

    private fun start(): Process {
        val command = mutableListOf("memcached", "-l", "127.0.0.1", "-p", "$port", "-U", "0", *options)
        if (System.getProperty("user.name") == "root") command += listOf("-u", "root")
        val started = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start()
        repeat(3000) {
            check(started.isAlive) { "memcached ended by itself with ${started.exitValue()}" }
            if (answers()) return started
            Thread.sleep(10)
        }
        started.destroyForcibly()
        error("memcached on $address does not answer")
    }

    private fun answers(): Boolean = try {
        Socket().use { it.connect(InetSocketAddress(LOOPBACK, port), 100) }
        true
    } catch (_: java.io.IOException) {
        false
    }

    fun kill() {
        process.destroyForcibly()
        check(process.waitFor(30, TimeUnit.SECONDS)) { "memcached on $address does not end" }
    }

    fun restart() {
        kill()
        process = start()
    }

    /** Stops it (SIGSTOP) or lets it go on (SIGCONT): it keeps its connections and answers nothing meanwhile. */
    fun signal(name: String) {
        check(ProcessBuilder("kill", "-$name", "${process.pid()}").start().waitFor() == 0)
        // The signal is delivered some time after kill has ended.
        while (isStopped() != (name == "STOP")) Thread.sleep(1)
    }

    private fun isStopped(): Boolean {
        val state = ProcessBuilder("ps", "-o", "stat=", "-p", "${process.pid()}").start()
        return state.inputStream.bufferedReader().readText().startsWith("T")
    }

    override fun close() = kill()
}

/** Listens on a free port and does with each connection what the test says; counts every byte that it is sent. */
class FakeServer(private val serve: (Socket, InputStream) -> Unit) : AutoCloseable {
    private val listener = ServerSocket(0, 50, LOOPBACK)
    private val sockets = CopyOnWriteArrayList<Socket>()
    private val received = AtomicLong()
    val address: String = "127.0.0.1:${listener.localPort}"
    val bytesReceived: Long get() = received.get()

    private val acceptor = thread(isDaemon = true) {
        while (!listener.isClosed) {
            val socket = try {
                listener.accept()
            } catch (_: java.io.IOException) {
                break
            }
            sockets += socket
            thread(isDaemon = true) {
                try {
                    socket.use { serve(it, Counting(it.getInputStream())) }
                } catch (_: java.io.IOException) {
                    // The client closed: what many of these tests are after.
                }
            }
        }
    }

    private inner class Counting(private val stream: InputStream) : InputStream() {
        override fun read(): Int = stream.read().also { if (it >= 0) received.incrementAndGet() }

        override fun read(bytes: ByteArray, offset: Int, length: Int): Int =
            stream.read(bytes, offset, length).also { if (it > 0) received.addAndGet(it.toLong()) }
    }

    override fun close() {
        listener.close()
        sockets.forEach { it.close() }
        acceptor.join()
    }

    companion object {
        /** Reads everything and says nothing. */
        fun silent() = FakeServer { _, input -> input.transferTo(OutputStream.nullOutputStream()) }

        /** Answers every line as a web server would. */
        fun http() = FakeServer { socket, input ->
            generateSequence { input.read() }.first { it == '\n'.code || it < 0 }
            socket.getOutputStream().write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".toByteArray())
            socket.getOutputStream().flush()
            input.transferTo(OutputStream.nullOutputStream())
        }
    }
}

/** A key of this length made of letters. */
fun key(length: Int): String = "k".repeat(length)
