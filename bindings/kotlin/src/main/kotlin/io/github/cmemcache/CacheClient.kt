package io.github.cmemcache

import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * What [StringClient] and [Client] have in common: every operation that does not look at values.
 *
 * Any number of threads may share a client. No connection is opened before the first call. Every call ends within the
 * client's `timeout`, throws a [CacheException] when it fails, and is not stopped by `Thread.interrupt`.
 *
 * Keys are 1 to 250 bytes, prefix included, without control characters and spaces ([KeyTooLongException],
 * [KeyCharacterException]). An expiry is a lifetime of up to 999 999 999 s, rounded up to whole seconds: `Duration.INFINITE`
 * (in Java null) never expires, zero and less expires at once.
 *
 * A coroutine calls it within `withContext(Dispatchers.IO)`. A virtual thread holds its carrier during a call.
 */
public sealed class CacheClient(internal val core: Core) : AutoCloseable {
    /** Deletes an item; false if there was none. */
    public fun delete(key: String): Boolean = core.delete(key)

    /** Deletes many items at once, all servers at the same time; false for those that were not there. */
    public fun deleteMulti(keys: Collection<String>): MultiResult<Boolean> = core.deleteMulti(keys.toList())

    /** Puts bytes behind the present value; `NotStored` if there is none. Flags and expiry stay. */
    public fun append(key: String, value: ByteArray): StoreOutcome {
        refuseIfSigned("append")
        return core.extend(APPEND, key, value)
    }

    /** Puts UTF-8 text behind the present value; `NotStored` if there is none. Flags and expiry stay. */
    public fun append(key: String, value: String): StoreOutcome = append(key, utf8(value))

    /** Puts bytes in front of the present value; `NotStored` if there is none. Flags and expiry stay. */
    public fun prepend(key: String, value: ByteArray): StoreOutcome {
        refuseIfSigned("prepend")
        return core.extend(PREPEND, key, value)
    }

    /** Puts UTF-8 text in front of the present value; `NotStored` if there is none. Flags and expiry stay. */
    public fun prepend(key: String, value: String): StoreOutcome = prepend(key, utf8(value))

    /**
     * Adds [delta], 0 or more, to a decimal number of 64 bits, wrapping at 2^64, and returns the sum; null on a miss. Sums from
     * 2^63 on appear negative: `toULong()` shows them.
     *
     * @throws NotNumericException if the value is no decimal number.
     */
    @JvmOverloads
    public fun incr(key: String, delta: Long = 1): Long? = count(INCR, key, delta, null, 0)

    /** As `incr(key, delta)`, but a missing item is made with the value [initial], 0 or more, which is returned. */
    public fun incr(key: String, delta: Long, initial: Long, expiry: Duration): Long =
        count(INCR, key, delta, initial, expiry.toExptime())!!

    /** As `incr(key, delta)`, but a missing item is made with the value [initial], 0 or more, which is returned. */
    @JvmOverloads
    public fun incr(key: String, delta: Long, initial: Long, expiry: java.time.Duration? = null): Long =
        count(INCR, key, delta, initial, expiry.toExptime())!!

    /** Subtracts [delta] from a decimal number of 64 bits, stopping at 0, and returns the rest; otherwise as [incr]. */
    @JvmOverloads
    public fun decr(key: String, delta: Long = 1): Long? = count(DECR, key, delta, null, 0)

    /** As `decr(key, delta)`, but a missing item is made with the value [initial], 0 or more, which is returned. */
    public fun decr(key: String, delta: Long, initial: Long, expiry: Duration): Long =
        count(DECR, key, delta, initial, expiry.toExptime())!!

    /** As `decr(key, delta)`, but a missing item is made with the value [initial], 0 or more, which is returned. */
    @JvmOverloads
    public fun decr(key: String, delta: Long, initial: Long, expiry: java.time.Duration? = null): Long =
        count(DECR, key, delta, initial, expiry.toExptime())!!

    private fun count(operation: Int, key: String, delta: Long, initial: Long?, exptime: Long): Long? {
        refuseIfSigned(if (operation == INCR) "incr" else "decr")
        if (delta < 0) throw InvalidArgumentException("delta of $delta is not in 0 to ${Long.MAX_VALUE}")
        if (initial != null && initial < 0) throw InvalidArgumentException("initial of $initial is not in 0 to ${Long.MAX_VALUE}")
        return core.count(operation, key, delta, initial, exptime)
    }

    /** Throws [UnsupportedException] if the server would change a signed value. */
    internal open fun refuseIfSigned(operation: String) {}

    /** Gives an item a new expiry; false on a miss. */
    public fun touch(key: String, expiry: Duration): Boolean = core.touch(key, expiry.toExptime())

    /** Gives an item a new expiry; false on a miss. */
    public fun touch(key: String, expiry: java.time.Duration?): Boolean = core.touch(key, expiry.toExptime())

    /** What the server knows of an item, without reading its value; null on a miss. Needs the meta protocol. */
    public fun metadata(key: String): ItemMetadata? = core.encode(key).let { core.typed { metadata(it) } }?.toPublic()

    /** Drops all items of all servers, after [delay] in whole seconds, up to 2^32 - 1. One reply per server. */
    public fun flushAll(delay: Duration): List<ServerReply> {
        val seconds = delay.inWholeSeconds
        if (seconds !in UNSIGNED) throw InvalidArgumentException("delay of $delay is not in 0 to ${UNSIGNED.last} s")
        return core.typed { flushAll(seconds.toUInt()) }.map { it.toPublic() }
    }

    /** Drops all items of all servers, after [delay] in whole seconds, up to 2^32 - 1. One reply per server. */
    @JvmOverloads
    public fun flushAll(delay: java.time.Duration = java.time.Duration.ZERO): List<ServerReply> = flushAll(delay.toKotlinDuration())

    /** Statistics of every server, general or of one kind (`items`, `slabs`, `settings`, ...). */
    @JvmOverloads
    public fun stats(argument: String? = null): List<ServerStats> = core.typed { stats(argument) }.map { it.toPublic() }

    /** The version of every server. */
    public fun version(): List<ServerReply> = core.typed { version() }.map { it.toPublic() }

    /** Sets how much every server writes to its log, 0 or more. */
    public fun verbosity(level: Int): List<ServerReply> {
        if (level < 0) throw InvalidArgumentException("level of $level is not in 0 to ${Int.MAX_VALUE}")
        return core.typed { verbosity(level.toUInt()) }.map { it.toPublic() }
    }

    /** What this client counted, one entry per server, in the order of the servers. Asks no server. */
    public fun metrics(): List<ServerMetrics> = core.typed { metrics() }.map { it.toPublic() }

    /** Replaces the servers. A server that stays keeps its connections; calls under way on one that goes end normally. */
    public fun setServers(servers: List<ServerSpec>): Unit = core.typed { setServers(servers.map { it.toFfi() }) }

    /**
     * Puts a server down, as if it had failed.
     *
     * @param server one of this client's, as `host:port` or `unix:/path`; otherwise throws [InvalidArgumentException].
     * @param time for how long, up to 2^32 - 1 ms.
     */
    public fun markDown(server: String, time: Duration) {
        val millis = time.toMillis("time").toUInt()
        core.typed { markDown(server, millis) }
    }

    /** As `markDown` with a time of Kotlin. */
    public fun markDown(server: String, time: java.time.Duration): Unit = markDown(server, time.toKotlinDuration())

    /** Uses servers that are down again at once. */
    public fun forgetDeadHosts(): Unit = core.typed { forgetDeadHosts() }

    /** Closes the idle connections. The next call opens new ones. */
    public fun disconnectAll(): Unit = core.typed { disconnectAll() }

    /**
     * Ends the client, and with it every view that `withTimeout` made of it: connections close, and every later call throws
     * [ClosedException]. Calls under way end normally.
     */
    override fun close(): Unit = core.typed { shutdown() }

    private companion object {
        val UNSIGNED = 0..UInt.MAX_VALUE.toLong()
    }
}
