package io.github.cmemcache

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** Text as UTF-8. Half of a surrogate pair has no UTF-8 and is an error: a question mark in its place would be another value. */
internal fun utf8(text: String): ByteArray {
    var at = 0
    while (at < text.length) {
        val char = text[at]
        if (char.isSurrogate()) {
            if (!char.isHighSurrogate() || at + 1 == text.length || !text[at + 1].isLowSurrogate()) {
                throw InvalidArgumentException("value holds half of a surrogate pair, U+%04X, at index %d".format(char.code, at))
            }
            at++
        }
        at++
    }
    return text.toByteArray()
}

/** Text of UTF-8 bytes; null if they are not UTF-8. */
internal fun strictUtf8(bytes: ByteArray): String? {
    val text = String(bytes, Charsets.UTF_8)
    // The replacement character tells malformed input, unless the text itself holds it.
    if ('\uFFFD' !in text) return text
    return try {
        Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString()
    } catch (_: CharacterCodingException) {
        null
    }
}
