package io.github.cmemcache

import com.sun.jna.Pointer
import io.github.cmemcache.ffi.FfiConverterString
import io.github.cmemcache.ffi.RustBuffer
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The layout of packed calls that this file speaks; described in core/src/ffi/packed.rs. */
internal const val LAYOUT_VERSION: Int = 2

internal const val GET: Int = 1
internal const val GETS: Int = 2
internal const val GAT: Int = 3
internal const val GATS: Int = 4
@PublishedApi
internal const val SET: Int = 5
@PublishedApi
internal const val ADD: Int = 6
@PublishedApi
internal const val REPLACE: Int = 7
internal const val APPEND: Int = 8
internal const val PREPEND: Int = 9
internal const val CAS: Int = 10
internal const val DELETE: Int = 11
internal const val INCR: Int = 12
internal const val DECR: Int = 13
internal const val TOUCH: Int = 14
internal const val GET_MULTI: Int = 16
internal const val GETS_MULTI: Int = 17
internal const val SET_MULTI: Int = 18
internal const val DELETE_MULTI: Int = 19

internal const val HIT: Int = 0
internal const val MISS: Int = 1
internal const val NOT_STORED: Int = 2
internal const val EXISTS: Int = 3
private const val FIRST_ERROR = 64

internal const val WITH_INITIAL: Int = 2
internal const val WITH_LENGTHS: Int = 4

private const val REQUEST_HEAD = 8
private const val REPLY_HEAD = 16
private const val KEPT_REPLY = 40
private const val KEPT = 1
private const val OUTCOME_UNKNOWN = 2

/** Writes the head of a request. */
internal fun ByteBuffer.head(operation: Int, timeoutMillis: Int, bits: Int = 0) {
    clear()
    put(LAYOUT_VERSION.toByte())
    put(operation.toByte())
    putShort(bits.toShort())
    putInt(timeoutMillis)
}

/** Bytes that a request takes at most: its head, [fixed] bytes of fields and the keys. */
internal fun requestSize(fixed: Long, keys: List<String>): Int = fits(keys.fold(REQUEST_HEAD + fixed) { sum, key -> sum + keySize(key) })

internal fun requestSize(fixed: Int, key: String): Int = fits(REQUEST_HEAD + fixed + keySize(key))

private fun keySize(key: String): Long = MAX_BYTES_PER_CHAR * key.length

private const val MAX_BYTES_PER_CHAR = 3L

private fun fits(size: Long): Int =
    if (size <= Int.MAX_VALUE) size.toInt() else throw InvalidArgumentException("keys of $size bytes in one call are over ${Int.MAX_VALUE}")

/**
 * What came back: valid until the next call with the same memory, and until [release] if the library keeps the payload.
 *
 * @param length bytes of [head] that were written.
 */
internal class Reply(private val head: ByteBuffer, private val length: Int) {
    val status: Int
    val flags: Int get() = head.getInt(4)
    val number: Long get() = head.getLong(8)
    private val isKept: Boolean

    init {
        if (length !in REPLY_HEAD..head.capacity()) throw malformed("$length bytes")
        status = head.get(0).toInt() and 0xff
        isKept = head.get(1).toInt() and KEPT != 0
        if (isKept && length < KEPT_REPLY) throw malformed("$length bytes for a kept payload")
    }

    /** Whether there is an item; an error if the status is none that a question of yes and no has. */
    val isHit: Boolean
        get() = when (status) {
            HIT -> true
            MISS -> false
            else -> throw malformed("status $status")
        }

    /** The payload as an array of its own: the one copy of a value that this side makes. */
    fun payload(): ByteArray {
        if (isKept) return Pointer(head.getLong(16)).getByteArray(0, keptLength())
        val payload = ByteArray(length - REPLY_HEAD)
        head.position(REPLY_HEAD)
        head.get(payload)
        return payload
    }

    /** The payload in place, for a batch to be cut from. */
    fun payloadInPlace(): ByteBuffer {
        val bytes = if (isKept) {
            Pointer(head.getLong(16)).getByteBuffer(0, keptLength().toLong())
        } else {
            head.limit(length).position(REPLY_HEAD)
            head.slice().also { head.clear() }
        }
        return bytes.order(ByteOrder.LITTLE_ENDIAN)
    }

    private fun keptLength(): Int {
        val length = head.getLong(24)
        if (length !in 0..Int.MAX_VALUE) throw OutOfMemoryError("a reply of $length bytes is over what an array holds; ask for fewer keys")
        return length.toInt()
    }

    /** Tells the library that a payload it keeps has been read. */
    fun release(door: PackedDoor, status: Pointer) {
        if (isKept) door.release(head.getLong(32), status)
    }

    /** Throws the error that the reply tells, if it does. */
    fun throwError() {
        if (status < FIRST_ERROR) return
        val bits = head.get(1).toInt()
        throw error(status, flags, payload(), phase(head.getShort(2).toInt()), bits and OUTCOME_UNKNOWN != 0)
    }
}

private fun malformed(what: String) = InternalErrorException("the reply to a packed call is malformed: $what")

private fun phase(number: Int): Phase? = Phase.entries.getOrNull(number - 1)

private fun error(kind: Int, serverLength: Int, text: ByteArray, phase: Phase?, outcomeUnknown: Boolean): CacheException {
    if (serverLength !in 0..text.size) throw malformed("a server's name of $serverLength bytes")
    val server = if (serverLength == 0) null else text.decodeToString(0, serverLength)
    return cacheException(kind, text.decodeToString(serverLength, text.size), server, phase, outcomeUnknown)
}

/** What a store did. */
internal fun outcome(status: Int): StoreOutcome = when (status) {
    HIT -> StoreOutcome.Stored
    MISS -> StoreOutcome.NotFound
    NOT_STORED -> StoreOutcome.NotStored
    EXISTS -> StoreOutcome.Exists
    else -> throw malformed("status $status of a store")
}

/** The columns of a batch reply; entries are read in their order. */
internal class BatchReply(reply: Reply, count: Int, withCas: Boolean) {
    private val bytes = reply.payloadInPlace()
    private val flagsAt = count
    private val casAt = flagsAt + 4 * count
    private val lengthsAt = if (withCas) casAt + 8 * count else casAt
    private var valueAt = lengthsAt + 4 * count

    init {
        if (reply.flags != count) throw malformed("${reply.flags} entries for $count keys")
        if (valueAt > bytes.limit()) throw malformed("columns cut off")
        var end = valueAt.toLong()
        for (entry in 0 until count) end += bytes.getInt(lengthsAt + 4 * entry).toUInt().toLong()
        if (end != bytes.limit().toLong()) throw malformed("values of other lengths than told")
    }

    fun status(entry: Int): Int = bytes.get(entry).toInt() and 0xff

    fun isHit(entry: Int): Boolean = when (status(entry)) {
        HIT -> true
        MISS -> false
        else -> throw malformed("status ${status(entry)} of an entry")
    }

    fun flags(entry: Int): Int = bytes.getInt(flagsAt + 4 * entry)

    fun cas(entry: Int): Long = bytes.getLong(casAt + 8 * entry)

    /** The value of the next entry; must be called once for each, in order. */
    fun nextValue(entry: Int): ByteArray {
        val value = ByteArray(bytes.getInt(lengthsAt + 4 * entry))
        bytes.position(valueAt)
        bytes.get(value)
        valueAt += value.size
        return value
    }

    /** The error of an entry, whose value is its text; null if it was answered. */
    fun errorOf(entry: Int, value: ByteArray): CacheException? {
        val status = status(entry)
        if (status < FIRST_ERROR) return null
        val bits = flags(entry)
        return error(status, bits and 0xffff, value, phase(bits shr 16 and 0xff), outcomeUnknown = bits shr 24 and 1 != 0)
    }
}

/** Where packed calls go: the native library, or in tests something that answers as it would. */
internal interface PackedDoor {
    /** Returns the length of the reply. */
    fun call(client: Long, request: NativeMemory, value: NativeMemory, valueSize: Int, reply: NativeMemory, status: Pointer): Long

    fun release(token: Long, status: Pointer)
}

internal object NativeDoor : PackedDoor {
    override fun call(
        client: Long,
        request: NativeMemory,
        value: NativeMemory,
        valueSize: Int,
        reply: NativeMemory,
        status: Pointer,
    ): Long =
        PackedFunctions.uniffi_cmemcache_fn_func_packed_call(
            client,
            request.address,
            request.bytes.position().toLong(),
            value.address,
            valueSize.toLong(),
            reply.address,
            reply.capacity.toLong(),
            status,
        )

    override fun release(token: Long, status: Pointer) = PackedFunctions.uniffi_cmemcache_fn_func_packed_release(token, status)
}

/**
 * Runs one packed call and hands its reply to [read].
 *
 * @param size bytes that the request takes at most.
 * @param valueSize bytes of the value or values.
 * @param write writes the whole request.
 * @param writeValue writes the value or values.
 */
internal inline fun <R> packedCall(
    door: PackedDoor,
    client: Long,
    size: Int,
    write: (ByteBuffer) -> Unit,
    valueSize: Int,
    writeValue: (ByteBuffer) -> Unit,
    read: (Reply) -> R,
): R = Scratch.use { scratch ->
    scratch.request.orTemporary(size) { request ->
        write(request.bytes)
        scratch.value.orTemporary(valueSize) { value ->
            writeValue(value.bytes.clear())
            val length = door.call(client, request, value, valueSize, scratch.reply, scratch.statusPointer)
            scratch.checkStatus()
            val reply = Reply(scratch.reply.bytes.clear(), length.toInt())
            try {
                reply.throwError()
                read(reply)
            } finally {
                reply.release(door, scratch.statusPointer)
            }
        }
    }
}

private inline fun <R> NativeMemory.orTemporary(size: Int, block: (NativeMemory) -> R): R {
    if (size <= capacity) return block(this)
    val memory = NativeMemory.temporary(size)
    try {
        return block(memory)
    } finally {
        NativeMemory.free(memory)
    }
}

/** A panic of the library is told in the status, which has to be zero again for the next call. */
private fun Scratch.checkStatus() {
    val bytes = status.bytes
    if (bytes.get(0) == 0.toByte()) return
    val buffer = RustBuffer.ByValue()
    buffer.capacity = bytes.getLong(8)
    buffer.len = bytes.getLong(16)
    buffer.data = Pointer(bytes.getLong(24))
    val message = if (buffer.len > 0) FfiConverterString.lift(buffer) else "a panic without a message"
    repeat(bytes.capacity()) { bytes.put(it, 0) }
    throw InternalErrorException(message)
}
