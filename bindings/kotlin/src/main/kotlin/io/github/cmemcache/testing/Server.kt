package io.github.cmemcache.testing

import io.github.cmemcache.ClosedException
import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.NativeLibrary
import io.github.cmemcache.ffi.TestServer
import io.github.cmemcache.ffi.TestServerOptions
import io.github.cmemcache.toPublic
import kotlin.time.Duration
import kotlin.time.toKotlinDuration
import io.github.cmemcache.ffi.CacheException as FfiException

/**
 * What a [Server] has seen since it was made or last cleared.
 *
 * What a connection begins with, to find out which protocol is spoken, is not counted among the commands, so that the numbers
 * are the same in every protocol.
 *
 * @property connections connections accepted.
 * @property openConnections connections open now.
 * @property commands commands carried out.
 * @property reads keys read.
 * @property hits reads that found an item.
 * @property misses reads that found none.
 * @property stores values that were sent to be stored, whatever became of them.
 * @property deletes deletes, of a missing item too.
 */
public data class Counts(
    val connections: Long,
    val openConnections: Int,
    val commands: Long,
    val reads: Long,
    val hits: Long,
    val misses: Long,
    val stores: Long,
    val deletes: Long,
)

/**
 * A memcached on a loopback port for the tests of programs that use a cache: no process to start, and failures on demand.
 *
 * It answers as memcached 1.6.18 does, in the classic and the meta protocol, and runs from its making until [close]. Then
 * neither a thread nor a socket is left.
 *
 * @param port the TCP port on 127.0.0.1; 0 for any free one.
 * @param version the version that it answers as: before 1.5.19 it knows no meta commands, before 1.6.18 a miss echoes nothing.
 * @param itemSizeMax largest item in bytes, key and header included, 1024 to 1 GiB.
 * @param memoryLimit bytes that all items may take, 1024 or more; beyond them the longest unused ones are evicted.
 * @param user user that every connection has to begin with, without spaces; null, with [password], for none.
 * @param password the user's password, without spaces.
 * @throws InvalidArgumentException for an argument out of its range.
 * @throws io.github.cmemcache.ServerDownException if the port is somebody else's.
 */
public class Server @JvmOverloads constructor(
    port: Int = 0,
    version: String = "1.6.18",
    itemSizeMax: Long = 1L shl 20,
    memoryLimit: Long = 64L shl 20,
    user: String? = null,
    password: String? = null,
) : AutoCloseable {
    private val server: TestServer

    init {
        NativeLibrary.ensureLoaded()
        if (port !in 0..65535) throw InvalidArgumentException("port is $port and has to be 0 to 65535")
        if (itemSizeMax < 0) throw InvalidArgumentException("itemSizeMax is $itemSizeMax and has to be 1024 to 1073741824")
        if (memoryLimit < 0) throw InvalidArgumentException("memoryLimit is $memoryLimit and has to be 1024 or more")
        server = translated {
            TestServer(
                TestServerOptions(port.toUShort(), version, itemSizeMax.toULong(), memoryLimit.toULong(), user, password),
            )
        }
    }

    /** The TCP port. It stays the same when the server is stopped and started again. */
    public val port: Int = server.port().toInt()

    /** The address as clients take it, such as `127.0.0.1:40123`. */
    public val address: String = server.address()

    /**
     * Has the server do something wrong the next [times] times that it could. Faults of one kind take place one after the
     * other, in the order in which they were asked for; [clear] calls them off.
     */
    @JvmOverloads
    public fun inject(fault: Fault, times: Int = 1) {
        if (times < 0) throw InvalidArgumentException("times is $times and has to be 0 or more")
        translated { server.inject(fault.toFfi(), times.toUInt()) }
    }

    /** Moves the server's clock forward, so that items expire and delayed flushes happen. */
    public fun advance(time: Duration): Unit = translated { server.advance(time.toMillis()) }

    /** Moves the server's clock forward, so that items expire and delayed flushes happen. */
    public fun advance(time: java.time.Duration): Unit = advance(time.toKotlinDuration())

    /** Drops all items, calls off all faults and counts from 0, as between two tests. Connections stay open. */
    public fun clear(): Unit = translated { server.clear() }

    /** What the server has seen. */
    public fun counts(): Counts {
        val counts = translated { server.counts() }
        return Counts(
            connections = counts.connections.toLong(),
            openConnections = counts.openConnections.toInt(),
            commands = counts.commands.toLong(),
            reads = counts.reads.toLong(),
            hits = counts.hits.toLong(),
            misses = counts.misses.toLong(),
            stores = counts.stores.toLong(),
            deletes = counts.deletes.toLong(),
        )
    }

    /**
     * Ends the server as a crash would: connections close, items are lost, and connecting is refused until [restart]. The port
     * stays this server's. Does nothing if it is stopped already.
     */
    public fun stop(): Unit = translated { server.stop() }

    /**
     * Stops the server if it runs, and starts it again at the same port, without items. Counts, faults and the clock stay.
     *
     * @throws io.github.cmemcache.ServerDownException if somebody else took the port.
     */
    public fun restart(): Unit = translated { server.restart() }

    /** Ends the server for good. Doing it twice does no harm; whatever else is done after it throws [ClosedException]. */
    override fun close(): Unit = server.close()

    override fun toString(): String = "Server($address)"
}

private inline fun <T> translated(call: () -> T): T = try {
    call()
} catch (e: FfiException) {
    throw e.toPublic()
} catch (_: IllegalStateException) {
    // So the generated object says that it was closed.
    throw ClosedException("the test server was closed")
}
