package io.github.cmemcache

/**
 * The client flags by which every language says how the bytes of a value are to be understood.
 *
 * memcached keeps 32 bits of flags beside each value and never reads them. They are `Int` here: 32 bits, of which those above
 * 2^31 appear negative; `toUInt()` shows them unsigned.
 */
public object Flags {
    /** The bytes as they are. */
    public const val BYTES: Int = 0

    /** A Python pickle: only Python can read it. */
    public const val PICKLE: Int = 1

    /** An integer of any size as decimal ASCII digits, with `-` in front of negatives. */
    public const val INTEGER: Int = 2

    /** As [INTEGER]; written by old Python programs, read everywhere. */
    public const val LONG: Int = 4

    /** A zlib stream of the bytes; stands beside another flag. */
    public const val ZLIB: Int = 8

    /** Text in UTF-8. */
    public const val TEXT: Int = 16

    /** JSON in UTF-8: null, booleans, floats, lists, maps and records. */
    public const val PORTABLE: Int = 0x18000

    /** Java serialization of classes on the allow-list. */
    public const val JAVA: Int = 0x28000

    /** Marks an item under an anti-stampede lease: it holds no value. Reserved. */
    public const val LEASE: Int = 0x48000

    /** A signed value, its own flags within: read with [ValueOptions.signingKeys] only. */
    public const val SIGNED: Int = 0x88000
}
