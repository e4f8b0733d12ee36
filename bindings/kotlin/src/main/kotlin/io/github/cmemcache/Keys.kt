package io.github.cmemcache

import java.nio.ByteBuffer
import java.nio.CharBuffer
import java.nio.charset.Charset
import java.nio.charset.CodingErrorAction

private val KeyCharset.charset: Charset
    get() = when (this) {
        KeyCharset.UTF_8 -> Charsets.UTF_8
        KeyCharset.LATIN_1 -> Charsets.ISO_8859_1
    }

/** Writes a key's bytes at the position and returns how many. Whether the key is legal is the library's to say. */
internal fun ByteBuffer.putKey(key: String, charset: KeyCharset): Int {
    val start = position()
    for (at in key.indices) {
        val char = key[at].code
        if (char >= 0x80) {
            position(start)
            put(encodeKey(key, charset))
            return position() - start
        }
        put(char.toByte())
    }
    return key.length
}

/** A key as bytes. What has no form in the charset is an error: a replacement character would mix up different keys. */
internal fun encodeKey(key: String, charset: KeyCharset): ByteArray {
    val encoder = charset.charset.newEncoder()
        .onMalformedInput(CodingErrorAction.REPORT)
        .onUnmappableCharacter(CodingErrorAction.REPORT)
    val characters = CharBuffer.wrap(key)
    val bytes = ByteBuffer.allocate((key.length * encoder.maxBytesPerChar()).toInt())
    if (encoder.encode(characters, bytes, true).isError) {
        val at = characters.position()
        throw KeyCharacterException("key holds U+%04X at index %d, which has no form in %s".format(key[at].code, at, charset))
    }
    return bytes.array().copyOf(bytes.position())
}
