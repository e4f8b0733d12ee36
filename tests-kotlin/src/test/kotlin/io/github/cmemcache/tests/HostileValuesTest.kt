package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.Dialect
import io.github.cmemcache.Flags
import io.github.cmemcache.ForeignValueException
import io.github.cmemcache.ForbiddenClassException
import io.github.cmemcache.Item
import io.github.cmemcache.UndecodableValueException
import io.github.cmemcache.ValueOptions
import io.github.cmemcache.ValueType
import io.github.cmemcache.codec
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.io.ObjectOutputStream
import java.util.zip.DeflaterOutputStream
import java.util.zip.GZIPOutputStream
import kotlin.random.Random
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** What somebody else has put into the cache: a value or a documented exception, and nothing else. */
class HostileValuesTest {
    private val java = ByteArrayOutputStream().also { ObjectOutputStream(it).use { to -> to.writeObject(listOf("a", 1, mapOf("b" to 2L))) } }
    private val text = """{"a":[1,2.5,null,"x"]}""".toByteArray()
    private val seeds = listOf(java.toByteArray(), text, zlib(text), zlib(java.toByteArray()), gzip(text), "-17".toByteArray(), ByteArray(8))

    private fun zlib(bytes: ByteArray) = ByteArrayOutputStream().also { DeflaterOutputStream(it).use { to -> to.write(bytes) } }.toByteArray()

    private fun gzip(bytes: ByteArray) = ByteArrayOutputStream().also { GZIPOutputStream(it).use { to -> to.write(bytes) } }.toByteArray()

    /** Bytes of a known form with some of them changed, or cut off. */
    private fun mutated(chance: Random): ByteArray {
        val bytes = seeds.random(chance).copyOf()
        repeat(chance.nextInt(4)) { bytes[chance.nextInt(bytes.size)] = chance.nextInt().toByte() }
        return if (chance.nextInt(4) == 0) bytes.copyOf(chance.nextInt(bytes.size)) else bytes
    }

    @Test
    fun `random bytes under every flag are a value or a documented exception`() {
        val chance = Random(4711)
        val single = (0 until Int.SIZE_BITS).map { 1 shl it } + listOf(0, Flags.PORTABLE, Flags.JAVA, Flags.LEASE, Flags.SIGNED)
        val flags = single + single.map { it or Flags.ZLIB } + single.map { it or 2 }
        val types = listOf(Any::class.java, String::class.java, ByteArray::class.java, Long::class.javaObjectType, List::class.java)
        var values = 0
        for (dialect in Dialect.values()) {
            val codec = codec(ValueOptions(dialect, maxDecompressedSize = 1 shl 16), ClientOptions())
            repeat(200) {
                val bytes = mutated(chance)
                for (flag in flags) {
                    try {
                        codec.decode("k", Item(bytes, flag, null), ValueType(types.random(chance), null))
                        values++
                    } catch (e: CacheException) {
                        assertTrue(e is ForeignValueException || e is UndecodableValueException || e is ForbiddenClassException, "$e")
                    }
                }
            }
        }
        assertTrue(values > 500, "only $values values")
    }

    @Test
    fun `JSON nested beyond the stack is an error`() {
        val depth = 200_000
        for (json in listOf("[".repeat(depth), "[".repeat(depth) + "]".repeat(depth), "{\"a\":".repeat(depth) + "1" + "}".repeat(depth))) {
            val codec = codec(ValueOptions(), ClientOptions())
            for (item in listOf(Item(json.toByteArray(), Flags.PORTABLE, null), Item(zlib(json.toByteArray()), Flags.PORTABLE or Flags.ZLIB, null))) {
                assertFailsWith<UndecodableValueException> { codec.decode("k", item, ValueType(Any::class.java, null)) }
            }
        }
    }
}
