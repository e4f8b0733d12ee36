package io.github.cmemcache.testing

import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.ffi.TestFault
import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * Something that a [Server] does wrong on demand.
 *
 * Most faults befall the reply to a command. What a connection begins with is answered faithfully, so that a client gets as far
 * as its first command: credentials, `version`, and the `mg` by which a client finds out which protocol is spoken. A classic
 * `get` of many keys has one reply; in the meta protocol each key has one.
 */
public sealed interface Fault {
    /**
     * The reply comes this much later. Replies behind it on the same connection wait too.
     *
     * @property time how much, in whole milliseconds.
     */
    public data class Delay(val time: Duration) : Fault {
        /** The same with a time of Java's. */
        public constructor(time: java.time.Duration) : this(time.toKotlinDuration())
    }

    /**
     * The reply comes in pieces, each in a packet of its own.
     *
     * @property length the bytes of a piece; 0 counts as 1.
     */
    public data class Split(val length: Int) : Fault

    /**
     * Only a part of the reply comes, then the server closes the connection.
     *
     * @property length the bytes that come; with 0 it closes without a word.
     */
    public data class Truncate(val length: Int) : Fault

    /** The reply comes twice. */
    public data object Duplicate : Fault

    /** The reply does not come; the connection stays open, and later commands are answered. */
    public data object Drop : Fault

    /** The reply comes after the next one on the same connection, or never if there is none. */
    public data object Swap : Fault

    /**
     * Other bytes come instead of the reply.
     *
     * @property reply these bytes.
     */
    public class Garbage(public val reply: ByteArray) : Fault {
        /** The bytes of a text in UTF-8. */
        public constructor(reply: String) : this(reply.encodeToByteArray())

        override fun toString(): String = "Garbage(${reply.size} bytes)"
    }

    /** The connection is reset instead of a reply. */
    public data object Reset : Fault

    /** From this command on the connection is never answered again, and stays open. */
    public data object Silence : Fault

    /** The reply comes, and then the server closes its side and goes on reading. */
    public data object HalfClose : Fault

    /** The next value to store is refused as out of memory. The old item is gone, as with a real server. */
    public data object OutOfMemory : Fault

    /** The next connection is refused as one too many: an error line, then it is closed. */
    public data object TooManyConnections : Fault
}

internal fun Fault.toFfi(): TestFault = when (this) {
    is Fault.Delay -> TestFault.Delay(time.toMillis())
    is Fault.Split -> TestFault.Split(bytes(length))
    is Fault.Truncate -> TestFault.Truncate(bytes(length))
    Fault.Duplicate -> TestFault.Duplicate
    Fault.Drop -> TestFault.Drop
    Fault.Swap -> TestFault.Swap
    is Fault.Garbage -> TestFault.Garbage(reply)
    Fault.Reset -> TestFault.Reset
    Fault.Silence -> TestFault.Silence
    Fault.HalfClose -> TestFault.HalfClose
    Fault.OutOfMemory -> TestFault.OutOfMemory
    Fault.TooManyConnections -> TestFault.TooManyConnections
}

private fun bytes(length: Int): ULong =
    if (length < 0) throw InvalidArgumentException("length is $length and has to be 0 or more") else length.toULong()

internal fun Duration.toMillis(): ULong {
    if (isNegative()) throw InvalidArgumentException("time of $this is negative")
    return inWholeMilliseconds.toULong()
}
