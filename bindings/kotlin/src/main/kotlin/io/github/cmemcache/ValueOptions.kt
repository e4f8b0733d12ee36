package io.github.cmemcache

import kotlinx.serialization.json.Json

/** In whose form a [Client] stores objects. */
public enum class Dialect {
    /** The forms that every language of this library reads, and Java serialization for what has no other; see [Flags]. The default. */
    PORTABLE,

    /**
     * Reads and writes what the SerializingTranscoder of spymemcached and xmemcached does: strings, booleans, bytes, ints,
     * longs, floats, doubles, dates, byte arrays; all else by Java serialization. Numbers so written cannot be `incr`ed.
     */
    SPYMEMCACHED,

    /** Reads what the WhalinTranscoder of older fleets wrote; storing throws [InvalidArgumentException]. */
    WHALIN,
}

/**
 * How a [Client] turns objects into bytes and back. Java uses [builder].
 *
 * @property dialect in whose form objects are stored.
 * @property compressFrom values of at least so many bytes are compressed, if that makes them smaller; 0 compresses none. zlib in
 *   [Dialect.PORTABLE], where integers never are, gzip in [Dialect.SPYMEMCACHED]. Compressed values are always read. `append` to
 *   one spoils it.
 * @property maxDecompressedSize largest size in bytes to which a value is decompressed, up to 1 GiB; beyond it reading throws
 *   [UndecodableValueException].
 * @property javaClasses names of classes, as `Class.getName` tells them, that Java serialization may write and read beside the
 *   default ones: the boxes of java.lang, java.time and the collections of java.util. List only classes that are harmless to
 *   create from hostile bytes.
 * @property json writes and reads `@Serializable` classes, lists and maps.
 * @property signingKeys keys of 16 bytes or more: values are signed with the first, and only values that one of them signed are
 *   read; another is an [UntrustedValueException]. `incr`, `decr`, `append` and `prepend` then throw [UnsupportedException]. Empty:
 *   nothing is signed.
 */
public data class ValueOptions(
    val dialect: Dialect = Dialect.PORTABLE,
    val compressFrom: Int = if (dialect == Dialect.SPYMEMCACHED) 16_385 else 0,
    val maxDecompressedSize: Int = 64 shl 20,
    val javaClasses: Set<String> = emptySet(),
    val json: Json = DEFAULT_JSON,
    val signingKeys: List<ByteArray> = emptyList(),
) {
    /** Sets options one by one, for Java. What is not set keeps its default. */
    public class Builder internal constructor() {
        private var options = ValueOptions()

        /** See [ValueOptions.dialect]; sets [ValueOptions.compressFrom] to the dialect's default too. */
        public fun dialect(dialect: Dialect): Builder =
            with {
                ValueOptions(
                    dialect, maxDecompressedSize = maxDecompressedSize, javaClasses = javaClasses, json = json, signingKeys = signingKeys,
                )
            }

        /** See [ValueOptions.compressFrom]. */
        public fun compressFrom(bytes: Int): Builder = with { copy(compressFrom = bytes) }

        /** See [ValueOptions.maxDecompressedSize]. */
        public fun maxDecompressedSize(bytes: Int): Builder = with { copy(maxDecompressedSize = bytes) }

        /** See [ValueOptions.javaClasses]; adds to those given before. */
        public fun javaClasses(vararg classes: Class<*>): Builder = with { copy(javaClasses = javaClasses + classes.map { it.name }) }

        /** See [ValueOptions.json]. */
        public fun json(json: Json): Builder = with { copy(json = json) }

        /** See [ValueOptions.signingKeys]. */
        public fun signingKeys(vararg keys: ByteArray): Builder = with { copy(signingKeys = keys.toList()) }

        /** The options. Ranges are checked when a client is made with them. */
        public fun build(): ValueOptions = options

        private inline fun with(change: ValueOptions.() -> ValueOptions): Builder {
            options = options.change()
            return this
        }
    }

    /** Makes builders. */
    public companion object {
        /** Starts with the default of every option. */
        @JvmStatic
        public fun builder(): Builder = Builder()

        /** Tolerates fields that this version of a class does not know, and writes those that have their default. */
        private val DEFAULT_JSON = Json {
            ignoreUnknownKeys = true
            encodeDefaults = true
        }
    }
}
