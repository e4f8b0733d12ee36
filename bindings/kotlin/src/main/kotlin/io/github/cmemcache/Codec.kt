package io.github.cmemcache

/** Turns objects into bytes with flags and back, in one dialect. */
internal interface Codec {
    /** The stored form of an object. Throws [InvalidArgumentException] if it has none; [key] is for the message. */
    fun encode(key: String, value: Any?, type: ValueType<*>): Encoded

    /**
     * The object of a stored value; null only for a stored null.
     *
     * Throws [ForeignValueException], [UndecodableValueException] or [ForbiddenClassException].
     */
    fun <T : Any> decode(key: String, item: Item, type: ValueType<T>): T?
}

internal fun codec(options: ValueOptions, keys: ClientOptions): Codec {
    val plain = codec(options)
    if (options.signingKeys.isEmpty()) return plain
    return SignedCodec(plain, options.signingKeys) { encodeKey(keys.keyPrefix, keys.keyCharset) + encodeKey(it, keys.keyCharset) }
}

private fun codec(options: ValueOptions): Codec {
    if (options.compressFrom < 0) throw InvalidArgumentException("compressFrom of ${options.compressFrom} is not in 0 to ${Int.MAX_VALUE}")
    if (options.maxDecompressedSize !in 1..MAX_VALUE_SIZE) {
        throw InvalidArgumentException("maxDecompressedSize of ${options.maxDecompressedSize} is not in 1 to $MAX_VALUE_SIZE")
    }
    val objects = JavaObjects(options.javaClasses)
    return when (options.dialect) {
        Dialect.PORTABLE -> PortableCodec(options, objects)
        Dialect.SPYMEMCACHED -> SpymemcachedCodec(options, objects)
        Dialect.WHALIN -> WhalinCodec(options, objects)
    }
}

internal fun undecodable(key: String, item: Item, problem: String, cause: Throwable? = null): UndecodableValueException =
    UndecodableValueException("value of key '$key' (flags ${item.flags.toUInt()}) $problem", key, item.flags, cause)

/** memcached's own largest item, 1 GiB. */
private const val MAX_VALUE_SIZE = 1 shl 30

/** A decoded value as the type that was asked for. */
internal fun <T : Any> ValueType<T>.cast(key: String, item: Item, value: Any): T =
    cast(value) ?: throw undecodable(key, item, "is ${value.javaClass.name} ${brief(value)}, which is no ${type.name}")

private fun brief(value: Any): String = if (value is Number || value is Boolean) "$value" else ""

/** The smallest of Long and BigInteger that holds the digits; null if they are none, or so many that parsing them takes long. */
internal fun integer(digits: String): Number? =
    if (digits.length > MAX_DIGITS) null else digits.toLongOrNull() ?: digits.toBigIntegerOrNull()

private const val MAX_DIGITS = 10_000
