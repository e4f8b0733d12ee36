package io.github.cmemcache

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.util.zip.DeflaterOutputStream
import java.util.zip.GZIPInputStream
import java.util.zip.GZIPOutputStream
import java.util.zip.InflaterInputStream

internal fun zlib(bytes: ByteArray): ByteArray {
    val out = ByteArrayOutputStream(bytes.size / 2)
    DeflaterOutputStream(out).use { it.write(bytes) }
    return out.toByteArray()
}

internal fun gzip(bytes: ByteArray): ByteArray {
    val out = ByteArrayOutputStream(bytes.size / 2)
    GZIPOutputStream(out).use { it.write(bytes) }
    return out.toByteArray()
}

/** The bytes of a zlib or gzip stream, which their first bytes tell apart; never more than [limit]. */
internal fun decompress(key: String, item: Item, limit: Int): ByteArray {
    val stored = ByteArrayInputStream(item.value)
    try {
        val stream = if (isGzip(item.value)) GZIPInputStream(stored) else InflaterInputStream(stored)
        val bytes = stream.use { it.readNBytes(limit + 1) }
        if (bytes.size > limit) throw undecodable(key, item, "decompresses to more than $limit bytes, the client's maxDecompressedSize")
        return bytes
    } catch (e: IOException) {
        throw undecodable(key, item, "is no whole zlib or gzip stream: ${e.message}", e)
    }
}

private fun isGzip(bytes: ByteArray): Boolean = bytes.size > 1 && bytes[0] == 0x1f.toByte() && bytes[1] == 0x8b.toByte()
