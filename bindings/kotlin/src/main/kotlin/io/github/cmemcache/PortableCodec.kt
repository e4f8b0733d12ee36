package io.github.cmemcache

import kotlinx.serialization.SerializationException
import java.math.BigInteger

/** The forms of [Flags], which every language of this library reads. */
internal class PortableCodec(private val options: ValueOptions, private val objects: JavaObjects) : Codec {
    private val json = options.json
    private val values = JsonValues(json)

    override fun encode(key: String, value: Any?, type: ValueType<*>): Encoded {
        val plain = when (value) {
            is String -> Encoded(utf8(value), Flags.TEXT)
            is ByteArray -> Encoded(value, Flags.BYTES)
            is Int, is Long, is Short, is Byte, is BigInteger -> Encoded(value.toString().toByteArray(), Flags.INTEGER)
            else -> encodeObject(key, value, type)
        }
        return compressed(plain)
    }

    private fun encodeObject(key: String, value: Any?, type: ValueType<*>): Encoded {
        try {
            val text = if (value == null) "null" else typedJson(value, type) ?: values.toJson(value)?.toString()
            if (text != null) return Encoded(utf8(text), Flags.PORTABLE)
        } catch (e: SerializationException) {
            throw InvalidArgumentException("value of key '$key' has no JSON form: ${e.message?.lineSequence()?.first()}", e)
        } catch (e: StackOverflowError) {
            throw InvalidArgumentException("value of key '$key' is nested too deeply, or holds itself", e)
        }
        return Encoded(objects.write(key, value!!), Flags.JAVA)
    }

    /** JSON as the static type has it, which a runtime class cannot tell: type arguments, the base of a sealed class. */
    @Suppress("UNCHECKED_CAST")
    private fun typedJson(value: Any, type: ValueType<*>): String? {
        if (value is Boolean || value is Float || value is Double) return null
        val serializer = (type as ValueType<Any>).serializer(json.serializersModule) ?: return null
        return json.encodeToString(serializer, value)
    }

    private fun compressed(plain: Encoded): Encoded {
        // The server counts with integers.
        if (options.compressFrom == 0 || plain.bytes.size < options.compressFrom || plain.flags == Flags.INTEGER) return plain
        val smaller = zlib(plain.bytes)
        return if (smaller.size < plain.bytes.size) Encoded(smaller, plain.flags or Flags.ZLIB) else plain
    }

    override fun <T : Any> decode(key: String, item: Item, type: ValueType<T>): T? {
        val form = item.flags and Flags.ZLIB.inv()
        if (form !in FORMS) throw foreign(key, item)
        val bytes = if (item.flags and Flags.ZLIB == 0) item.value else decompress(key, item, options.maxDecompressedSize)
        return when (form) {
            Flags.TEXT -> text(key, item, bytes, type)
            Flags.BYTES -> bytes(key, item, bytes, type)
            Flags.PORTABLE -> json(key, item, bytes, type)
            Flags.JAVA -> objects.read(key, item, bytes)?.let { type.cast(key, item, it) }
            else -> type.cast(key, item, integer(bytes) ?: throw undecodable(key, item, "is no decimal integer"))
        }
    }

    private fun <T : Any> text(key: String, item: Item, bytes: ByteArray, type: ValueType<T>): T {
        if (type.type == ByteArray::class.java) return type.type.cast(bytes)
        return type.cast(key, item, strictUtf8(bytes) ?: throw undecodable(key, item, "is no UTF-8"))
    }

    /** Bytes may be text to a client without flags, and a number to memcached, which makes counters with flags 0. */
    private fun <T : Any> bytes(key: String, item: Item, bytes: ByteArray, type: ValueType<T>): T = when {
        type.isAny || type.type == ByteArray::class.java -> type.type.cast(bytes)
        type.type == String::class.java -> text(key, item, bytes, type)
        else -> type.cast(key, item, integer(bytes) ?: bytes)
    }

    /** decr keeps the length of a number that gets shorter and leaves spaces behind it. */
    private fun integer(bytes: ByteArray): Number? = integer(String(bytes, Charsets.ISO_8859_1).trimEnd(' '))

    @Suppress("UNCHECKED_CAST")
    private fun <T : Any> json(key: String, item: Item, bytes: ByteArray, type: ValueType<T>): T? {
        val text = strictUtf8(bytes) ?: throw undecodable(key, item, "is no UTF-8")
        if (text == "null") return null
        try {
            val serializer = type.serializer(json.serializersModule)
            if (serializer != null) return json.decodeFromString(serializer, text)
            return values.toAny(json.parseToJsonElement(text))?.let { type.cast(key, item, it) }
        } catch (e: IllegalArgumentException) {
            // SerializationException, and what the init blocks of a class throw.
            throw undecodable(key, item, "is no JSON of ${type.type.name}: ${e.message?.lineSequence()?.first()}", e)
        } catch (e: StackOverflowError) {
            throw undecodable(key, item, "is nested too deeply", e)
        }
    }

    private fun foreign(key: String, item: Item): ForeignValueException {
        val form = item.flags and Flags.ZLIB.inv()
        val what = when {
            form == Flags.PICKLE && isJavaObject(item.value) || form in SPYMEMCACHED_TYPES ->
                "a form that spymemcached and xmemcached write. Read it with Dialect.SPYMEMCACHED (or WHALIN for older fleets)"
            form == Flags.PICKLE ->
                "a Python pickle, written by a Python client: only Python can read it. Store it from Python in a portable form " +
                    "(str, bytes, int, or with portable=True), or read its bytes with StringClient"
            form == Flags.SIGNED -> "a signed value, which only a client with the signingKeys reads (ValueOptions)"
            form == Flags.LEASE -> "the marker of a lease, no value. Read its bytes with StringClient"
            else -> "a form that this client does not know. Read its bytes with StringClient"
        }
        return ForeignValueException("key '$key' holds flags ${item.flags.toUInt()}: $what", key, item.flags)
    }

    private companion object {
        val FORMS = intArrayOf(Flags.BYTES, Flags.INTEGER, Flags.LONG, Flags.TEXT, Flags.PORTABLE, Flags.JAVA)

        /** The types of the SerializingTranscoder. */
        val SPYMEMCACHED_TYPES = 0x100..0x800 step 0x100

        /** How Java serialization begins; no pickle does. */
        fun isJavaObject(bytes: ByteArray): Boolean = bytes.size > 1 && bytes[0] == 0xac.toByte() && bytes[1] == 0xed.toByte()
    }
}
