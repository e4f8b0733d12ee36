package io.github.cmemcache

import java.util.Date

/**
 * What the SerializingTranscoder of spymemcached and xmemcached writes. The second byte of the flags is the type; bit 1 means
 * Java serialization, bit 2 compression: gzip, or zlib where xmemcached was set so.
 */
internal class SpymemcachedCodec(private val options: ValueOptions, private val objects: JavaObjects) : Codec {
    override fun encode(key: String, value: Any?, type: ValueType<*>): Encoded {
        val plain = when (value) {
            null -> throw InvalidArgumentException("value of key '$key' is null, which spymemcached's form cannot hold")
            is String -> Encoded(utf8(value), STRING)
            is Boolean -> Encoded(byteArrayOf(if (value) '1'.code.toByte() else '0'.code.toByte()), BOOLEAN)
            is Int -> Encoded(strippedBytes(value.toLong() and 0xffff_ffffL), INT)
            is Long -> Encoded(strippedBytes(value), LONG)
            is Date -> Encoded(strippedBytes(value.time), DATE)
            is Byte -> Encoded(byteArrayOf(value), BYTE)
            is Float -> Encoded(strippedBytes(value.toRawBits().toLong() and 0xffff_ffffL), FLOAT)
            is Double -> Encoded(strippedBytes(value.toRawBits()), DOUBLE)
            is ByteArray -> Encoded(value, BYTES)
            else -> Encoded(objects.write(key, value), SERIALIZED)
        }
        if (options.compressFrom == 0 || plain.bytes.size < options.compressFrom) return plain
        val smaller = gzip(plain.bytes)
        return if (smaller.size < plain.bytes.size) Encoded(smaller, plain.flags or COMPRESSED) else plain
    }

    override fun <T : Any> decode(key: String, item: Item, type: ValueType<T>): T? {
        if (item.flags and (SERIALIZED or COMPRESSED or TYPES).inv() != 0) throw foreign(key, item)
        val bytes = if (item.flags and COMPRESSED == 0) item.value else decompress(key, item, options.maxDecompressedSize)
        if (item.flags and SERIALIZED != 0) return objects.read(key, item, bytes)?.let { type.cast(key, item, it) }
        val value = when (item.flags and TYPES) {
            STRING -> if (type.type == ByteArray::class.java) bytes else strictUtf8(bytes) ?: throw undecodable(key, item, "is no UTF-8")
            BOOLEAN -> bytes.contentEquals(byteArrayOf('1'.code.toByte()))
            INT -> number(key, item, bytes, 4).toInt()
            LONG -> number(key, item, bytes, 8)
            DATE -> Date(number(key, item, bytes, 8))
            BYTE -> number(key, item, bytes, 1).toByte()
            FLOAT -> Float.fromBits(number(key, item, bytes, 4).toInt())
            DOUBLE -> Double.fromBits(number(key, item, bytes, 8))
            BYTES -> bytes
            else -> throw foreign(key, item)
        }
        return type.cast(key, item, value)
    }

    private fun foreign(key: String, item: Item): ForeignValueException = ForeignValueException(
        "key '$key' holds flags ${item.flags.toUInt()}, which neither spymemcached nor xmemcached writes. Read it with Dialect.PORTABLE " +
            "if a client of this library wrote it, or its bytes with StringClient",
        key,
        item.flags,
    )

    private companion object {
        const val SERIALIZED = 1
        const val COMPRESSED = 2
        const val TYPES = 0xff00
        const val STRING = 0
        const val BOOLEAN = 0x100
        const val INT = 0x200
        const val LONG = 0x300
        const val DATE = 0x400
        const val BYTE = 0x500
        const val FLOAT = 0x600
        const val DOUBLE = 0x700
        const val BYTES = 0x800

        /** Big-endian without leading zero bytes: 0 is no byte at all. */
        fun strippedBytes(number: Long): ByteArray {
            val size = Long.SIZE_BYTES - number.countLeadingZeroBits() / Byte.SIZE_BITS
            return ByteArray(size) { (number ushr Byte.SIZE_BITS * (size - 1 - it)).toByte() }
        }
    }
}

/** A big-endian number of up to [maxSize] bytes, which all Java transcoders write. */
internal fun number(key: String, item: Item, bytes: ByteArray, maxSize: Int): Long {
    if (bytes.size > maxSize) throw undecodable(key, item, "has ${bytes.size} bytes, which is too long for its type")
    return bytes.fold(0L) { number, byte -> number shl Byte.SIZE_BITS or (byte.toLong() and 0xff) }
}
