package io.github.cmemcache

import java.nio.ByteBuffer
import java.security.MessageDigest
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

/**
 * Signs what another codec writes, and gives it to read only what one of the signing keys signed for just this key.
 *
 * ```text
 * tag (32 bytes) | flags (4 bytes, big endian) | value        under Flags.SIGNED
 * tag = HMAC-SHA256(signing key, length of the key (1 byte) | key | flags | value)
 * ```
 *
 * The key is the one on the wire, prefix included; the flags are those that the value would have without a signature.
 */
internal class SignedCodec(private val codec: Codec, keys: List<ByteArray>, private val wireKey: (String) -> ByteArray) : Codec {
    private val secrets = keys.map {
        if (it.size < MIN_KEY) throw InvalidArgumentException("signingKeys holds a key of ${it.size} bytes, which is shorter than $MIN_KEY")
        SecretKeySpec(it, ALGORITHM)
    }

    override fun encode(key: String, value: Any?, type: ValueType<*>): Encoded {
        val plain = codec.encode(key, value, type)
        val bytes = wireKey(key)
        // No server takes it; which error it is stays the library's to say.
        if (bytes.size > MAX_KEY) return plain
        val sealed = ByteBuffer.allocate(HEAD + plain.bytes.size).putInt(TAG, plain.flags).position(HEAD).put(plain.bytes).array()
        tag(secrets.first(), bytes, sealed).copyInto(sealed)
        return Encoded(sealed, Flags.SIGNED)
    }

    override fun <T : Any> decode(key: String, item: Item, type: ValueType<T>): T? {
        if (item.flags != Flags.SIGNED) {
            throw untrusted(key, item, "is not signed, and this client has signingKeys; delete it, or read it with a client without")
        }
        val bytes = wireKey(key)
        val stored = item.value
        if (stored.size < HEAD || secrets.none { MessageDigest.isEqual(tag(it, bytes, stored), stored.copyOf(TAG)) }) {
            throw untrusted(
                key,
                item,
                "has a signature of none of the signingKeys for this key: it was tampered with or moved, or signed with another key; " +
                    "delete it, or add the key that signed it",
            )
        }
        return codec.decode(key, Item(stored.copyOfRange(HEAD, stored.size), ByteBuffer.wrap(stored).getInt(TAG), item.cas), type)
    }

    /** The tag of a stored form, whatever stands in the place of it. */
    private fun tag(secret: SecretKeySpec, key: ByteArray, stored: ByteArray): ByteArray {
        val mac = Mac.getInstance(ALGORITHM)
        mac.init(secret)
        mac.update(key.size.toByte())
        mac.update(key)
        mac.update(stored, TAG, stored.size - TAG)
        return mac.doFinal()
    }

    private fun untrusted(key: String, item: Item, problem: String) =
        UntrustedValueException("value of key '$key' (flags ${item.flags.toUInt()}) $problem", key, item.flags)

    private companion object {
        const val ALGORITHM = "HmacSHA256"
        const val TAG = 32
        const val HEAD = TAG + Int.SIZE_BYTES
        const val MAX_KEY = 250

        /** Shorter ones could be found by trying. */
        const val MIN_KEY = 16
    }
}
