package io.github.cmemcache

import io.github.cmemcache.ffi.InternalException
import io.github.cmemcache.ffi.StringClientInterface
import java.lang.ref.Reference
import java.nio.ByteBuffer
import kotlin.time.Duration
import io.github.cmemcache.ffi.CacheException as FfiException
import io.github.cmemcache.ffi.StringClient as FfiClient

/**
 * The native client and one deadline. Hot operations go through the packed call, all others through the generated one.
 *
 * @param ffi the client as generated; views of one client share it.
 * @param timeoutMillis the deadline of calls through this view; 0 is the client's own.
 */
internal class Core(
    private val ffi: FfiClient,
    private val handle: Long,
    private val charset: KeyCharset,
    private val timeoutMillis: Int,
    private val door: PackedDoor = NativeDoor,
) {
    /** The generated client with this view's deadline, for the calls that are not packed. */
    private val typed: FfiClient by lazy { if (timeoutMillis == 0) ffi else ffi.withTimeout(timeoutMillis.toUInt()) }

    fun withTimeout(timeout: Duration): Core {
        val millis = timeout.toMillis("timeout")
        if (millis !in TIMEOUT_MILLIS) throw InvalidArgumentException("timeout of $timeout is not in 1 ms to 1 h")
        return Core(ffi, handle, charset, millis.toInt())
    }

    fun get(operation: Int, key: String): Item? =
        run(requestSize(0, key), { it.start(operation).putKey(key, charset) }) { it.item(withCas = operation == GETS) }

    fun getAndTouch(operation: Int, key: String, exptime: Long): Item? =
        run(requestSize(8, key), { it.start(operation).putLong(exptime).putKey(key, charset) }) { it.item(withCas = operation == GATS) }

    fun store(operation: Int, key: String, value: ByteArray, flags: Int, exptime: Long): StoreOutcome =
        run(
            requestSize(12, key),
            { it.start(operation).putInt(flags).putLong(exptime).putKey(key, charset) },
            value,
        ) { outcome(it.status) }

    fun extend(operation: Int, key: String, value: ByteArray): StoreOutcome =
        run(requestSize(0, key), { it.start(operation).putKey(key, charset) }, value) { outcome(it.status) }

    fun cas(key: String, value: ByteArray, cas: Long, flags: Int, exptime: Long): StoreOutcome =
        run(
            requestSize(20, key),
            { it.start(CAS).putInt(flags).putLong(exptime).putLong(cas).putKey(key, charset) },
            value,
        ) { outcome(it.status) }

    fun delete(key: String): Boolean =
        run(requestSize(0, key), { it.start(DELETE).putKey(key, charset) }) { it.isHit }

    fun touch(key: String, exptime: Long): Boolean =
        run(requestSize(8, key), { it.start(TOUCH).putLong(exptime).putKey(key, charset) }) { it.isHit }

    fun count(operation: Int, key: String, delta: Long, initial: Long?, exptime: Long): Long? =
        run(
            requestSize(24, key),
            {
                it.start(operation, if (initial == null) 0 else WITH_INITIAL)
                    .putLong(delta).putLong(initial ?: 0).putLong(exptime).putKey(key, charset)
            },
        ) { if (it.isHit) it.number else null }

    fun getMulti(operation: Int, keys: List<String>): MultiResult<Item> {
        val withCas = operation == GETS_MULTI
        return batch(operation, keys) { reply, entry, value ->
            if (reply.isHit(entry)) Item(value, reply.flags(entry), if (withCas) reply.cas(entry) else null) else null
        }
    }

    fun deleteMulti(keys: List<String>): MultiResult<Boolean> =
        batch(DELETE_MULTI, keys) { reply, entry, _ -> reply.isHit(entry) }

    fun setMulti(keys: List<String>, values: List<Encoded>, exptime: Long): MultiResult<StoreOutcome> {
        val total = values.sumOf { it.bytes.size.toLong() }
        if (total > Int.MAX_VALUE) throw InvalidArgumentException("values of $total bytes in one call are over ${Int.MAX_VALUE}")
        return run(
            requestSize(12L + 12L * keys.size, keys),
            { request ->
                request.start(SET_MULTI, WITH_LENGTHS).putInt(keys.size).putLong(exptime)
                values.forEach { request.putInt(it.bytes.size) }
                values.forEach { request.putInt(it.flags) }
                request.putKeys(keys)
            },
            total.toInt(),
            { memory -> values.forEach { memory.put(it.bytes) } },
        ) { reply -> collect(reply, SET_MULTI, keys) { batch, entry, _ -> outcome(batch.status(entry)) } }
    }

    private inline fun <R : Any> batch(
        operation: Int,
        keys: List<String>,
        entry: (BatchReply, Int, ByteArray) -> R?,
    ): MultiResult<R> = run(
        requestSize(4L + 4L * keys.size, keys),
        { request ->
            request.start(operation, WITH_LENGTHS).putInt(keys.size)
            request.putKeys(keys)
        },
    ) { reply -> collect(reply, operation, keys, entry) }

    /** Cuts a batch reply into the results of its keys. */
    private inline fun <R : Any> collect(
        reply: Reply,
        operation: Int,
        keys: List<String>,
        entry: (BatchReply, Int, ByteArray) -> R?,
    ): MultiResult<R> {
        val batch = BatchReply(reply, keys.size, operation == GETS_MULTI)
        val values = LinkedHashMap<String, R>(keys.size * 4 / 3 + 1)
        var errors: LinkedHashMap<String, CacheException>? = null
        keys.forEachIndexed { at, key ->
            val value = batch.nextValue(at)
            val error = batch.errorOf(at, value)
            if (error != null) {
                errors = (errors ?: LinkedHashMap()).also { it[key] = error }
            } else {
                entry(batch, at, value)?.let { values[key] = it }
            }
        }
        return MultiResult(values, errors ?: emptyMap())
    }

    private inline fun <R> run(size: Int, write: (ByteBuffer) -> Unit, value: ByteArray = NOTHING, read: (Reply) -> R): R =
        run(size, write, value.size, { it.put(value) }, read)

    private inline fun <R> run(
        size: Int,
        write: (ByteBuffer) -> Unit,
        valueSize: Int,
        writeValue: (ByteBuffer) -> Unit,
        read: (Reply) -> R,
    ): R {
        val result = packedCall(door, handle, size, write, valueSize, writeValue, read)
        // Without this the collector could end the native client during the last call on it.
        Reference.reachabilityFence(ffi)
        return result
    }

    private fun ByteBuffer.start(operation: Int, bits: Int = 0): ByteBuffer {
        head(operation, timeoutMillis, bits)
        return this
    }

    /** The lengths of the keys, and the keys end to end. */
    private fun ByteBuffer.putKeys(keys: List<String>) {
        val lengthsAt = position()
        position(lengthsAt + 4 * keys.size)
        keys.forEachIndexed { at, key -> putInt(lengthsAt + 4 * at, putKey(key, charset)) }
    }

    private fun Reply.item(withCas: Boolean): Item? =
        if (isHit) Item(payload(), flags, if (withCas) number else null) else null

    /** Runs a call of the generated client, whose exceptions become this package's. */
    fun <R> typed(call: StringClientInterface.() -> R): R = try {
        typed.call()
    } catch (e: FfiException) {
        throw e.toPublic()
    } catch (e: InternalException) {
        throw InternalErrorException(e.message.orEmpty(), e)
    }

    /** A key as the generated client takes it. */
    fun encode(key: String): ByteArray = encodeKey(key, charset)

    companion object {
        private val NOTHING = ByteArray(0)
        private val TIMEOUT_MILLIS = 1L..3_600_000L

        fun open(servers: List<ServerSpec>, options: ClientOptions): Core {
            NativeLibrary.ensureLoaded()
            val ffi = try {
                FfiClient(servers.map { it.toFfi() }, options.toFfi())
            } catch (e: FfiException) {
                throw e.toPublic()
            }
            return Core(ffi, ffi.handle().toLong(), options.keyCharset, 0)
        }
    }
}

/** A value as it is stored: its bytes and the flags that tell their form. */
internal class Encoded(val bytes: ByteArray, val flags: Int)
