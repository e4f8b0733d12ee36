package io.github.cmemcache

import java.util.Date

/**
 * What the WhalinTranscoder of older fleets wrote: one bit of the flags for each type, one for Java serialization and one for
 * compression. Numbers are big-endian. Read only: nothing new should be written in this form.
 */
internal class WhalinCodec(private val options: ValueOptions, private val objects: JavaObjects) : Codec {
    override fun encode(key: String, value: Any?, type: ValueType<*>): Encoded =
        throw InvalidArgumentException("key '$key' cannot be stored: Dialect.WHALIN only reads; store with another client and dialect")

    override fun <T : Any> decode(key: String, item: Item, type: ValueType<T>): T? {
        val bytes = if (item.flags and COMPRESSED == 0) item.value else decompress(key, item, options.maxDecompressedSize)
        val value = when (item.flags and COMPRESSED.inv()) {
            SERIALIZED -> objects.read(key, item, bytes) ?: return null
            BOOLEAN -> bytes.contentEquals(byteArrayOf(1))
            BYTE -> number(key, item, bytes, 1).toByte()
            SHORT -> number(key, item, bytes, 4).toShort()
            INT -> number(key, item, bytes, 4).toInt()
            LONG -> number(key, item, bytes, 8)
            CHAR -> number(key, item, bytes, 4).toInt().toChar()
            FLOAT -> Float.fromBits(number(key, item, bytes, 4).toInt())
            DOUBLE -> Double.fromBits(number(key, item, bytes, 8))
            DATE -> Date(number(key, item, bytes, 8))
            BYTES -> bytes
            STRING -> text(key, item, bytes)
            STRING_BUFFER -> StringBuffer(text(key, item, bytes))
            STRING_BUILDER -> StringBuilder(text(key, item, bytes))
            else -> throw ForeignValueException(
                "key '$key' holds flags ${item.flags.toUInt()}, which WhalinTranscoder does not write. Read its bytes with StringClient",
                key,
                item.flags,
            )
        }
        return type.cast(key, item, value)
    }

    private fun text(key: String, item: Item, bytes: ByteArray): String =
        strictUtf8(bytes) ?: throw undecodable(key, item, "is no UTF-8")

    private companion object {
        const val BYTE = 1
        const val COMPRESSED = 2
        const val INT = 4
        const val SERIALIZED = 8
        const val CHAR = 16
        const val STRING = 32
        const val STRING_BUFFER = 64
        const val FLOAT = 128
        const val SHORT = 256
        const val DOUBLE = 512
        const val DATE = 1024
        const val STRING_BUILDER = 2048
        const val BYTES = 4096
        const val BOOLEAN = 8192
        const val LONG = 16384
    }
}
