package io.github.cmemcache.tests

import io.github.cmemcache.Client
import io.github.cmemcache.Flags
import io.github.cmemcache.ForbiddenClassException
import io.github.cmemcache.ForeignValueException
import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.StoreOutcome.Exists
import io.github.cmemcache.StoreOutcome.NotStored
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.UndecodableValueException
import io.github.cmemcache.ValueOptions
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import java.math.BigInteger
import java.time.Instant
import java.time.LocalDate
import java.time.ZonedDateTime
import kotlin.random.Random
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.hours

@Serializable
data class User(val name: String, val age: Int, val tags: List<String> = emptyList(), val boss: User? = null)

@Serializable
sealed interface Shape {
    @Serializable
    @SerialName("circle")
    data class Circle(val radius: Double) : Shape

    @Serializable
    @SerialName("square")
    data class Square(val side: Double) : Shape
}

data class Point(val x: Int, val y: Int) : java.io.Serializable {
    private companion object {
        private const val serialVersionUID = 1L
    }
}

class Plain(val x: Int)

/** Its deserialization leaves a trace, as an attacker's would. */
class Trap : java.io.Serializable {
    private fun readObject(stream: java.io.ObjectInputStream) {
        stream.defaultReadObject()
        sprung = true
    }

    companion object {
        private const val serialVersionUID = 1L

        @JvmStatic
        var sprung: Boolean = false
    }
}

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ObjectsTest {
    private val server = Memcached()
    private val cache = Client(server.address, options = PATIENT)
    private val raw = StringClient(server.address, options = PATIENT)

    @AfterAll
    fun end() {
        cache.close()
        raw.close()
        server.close()
    }

    private fun assertStored(flags: Int, text: String) {
        val item = assertNotNull(raw.get("k"))
        assertEquals(flags to text, item.flags to item.text)
    }

    @Test
    fun `strings bytes and integers are stored as the registry says`() {
        cache.set("k", "tëxt")
        assertStored(16, "tëxt")
        assertEquals("tëxt", cache.get<String>("k"))
        cache.set("k", byteArrayOf(1, 2))
        assertStored(0, "\u0001\u0002")
        assertContentEquals(byteArrayOf(1, 2), cache.get<ByteArray>("k"))
        cache.set("k", -42)
        assertStored(2, "-42")
        assertEquals(-42, cache.get<Int>("k"))
        assertEquals(-42L, cache.get<Long>("k"))
        assertEquals(-42, cache.get<Short>("k"))
        assertEquals(-42, cache.get<Byte>("k"))
        assertEquals(-42.0, cache.get<Double>("k"))
        assertEquals(BigInteger.valueOf(-42), cache.get<BigInteger>("k"))
        val big = BigInteger.TWO.pow(200)
        cache.set("k", big)
        assertStored(2, big.toString())
        assertEquals(big, cache.get<BigInteger>("k"))
        assertEquals(big, cache.get<Any>("k"))
    }

    @Test
    fun `booleans floats lists maps and null are stored as json`() {
        cache.set("k", true)
        assertStored(98304, "true")
        assertEquals(true, cache.get<Boolean>("k"))
        cache.set("k", 0.1)
        assertStored(98304, "0.1")
        assertEquals(0.1, cache.get<Double>("k"))
        cache.set("k", 0.1f)
        assertStored(98304, "0.1")
        assertEquals(0.1f, cache.get<Float>("k"))
        cache.set("k", listOf(1, 2, 3))
        assertStored(98304, "[1,2,3]")
        assertEquals(listOf(1, 2, 3), cache.get<List<Int>>("k"))
        cache.set("k", mapOf("a" to listOf("x"), "b" to null))
        assertStored(98304, """{"a":["x"],"b":null}""")
        assertEquals(mapOf("a" to listOf("x"), "b" to null), cache.get<Map<String, List<String>?>>("k"))
        cache.set<String>("k", null)
        assertStored(98304, "null")
        assertNull(cache.get<String>("k"))
    }

    @Test
    fun `numbers that json cannot hold come back`() {
        for (number in listOf(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)) {
            cache.set("k", number)
            assertEquals(number, cache.get<Double>("k"))
        }
    }

    @Test
    fun `serializable classes are stored as json that others read`() {
        val user = User("Ada", 36, listOf("x"), User("Charles", 44))
        assertEquals(Stored, cache.set("k", user, 1.hours))
        assertStored(98304, """{"name":"Ada","age":36,"tags":["x"],"boss":{"name":"Charles","age":44,"tags":[],"boss":null}}""")
        assertEquals(user, cache.get<User>("k"))
        cache.set("k", listOf(user, user))
        assertEquals(listOf(user, user), cache.get<List<User>>("k"))
        cache.set("k", mapOf("u" to user))
        assertEquals(mapOf("u" to user), cache.get<Map<String, User>>("k"))
    }

    @Test
    fun `a record with fields of a later version is read`() {
        raw.set("k", """{"name":"Ada","age":36,"email":"ada@example.org"}""", flags = Flags.PORTABLE)
        assertEquals(User("Ada", 36), cache.get<User>("k"))
    }

    @Test
    fun `a sealed class comes back as the one that was stored`() {
        cache.set<Shape>("k", Shape.Circle(2.0))
        assertStored(98304, """{"type":"circle","radius":2.0}""")
        assertEquals(Shape.Circle(2.0), cache.get<Shape>("k"))
        cache.set("k", listOf(Shape.Circle(1.0), Shape.Square(2.0)))
        assertEquals(listOf(Shape.Circle(1.0), Shape.Square(2.0)), cache.get<List<Shape>>("k"))
    }

    @Test
    fun `enums are stored by name`() {
        cache.set("k", java.time.DayOfWeek.MONDAY)
        assertStored(98304, "\"MONDAY\"")
        assertEquals(java.time.DayOfWeek.MONDAY, cache.get<java.time.DayOfWeek>("k"))
    }

    @Test
    fun `Any stores by the class at run time and reads what is there`() {
        for (value in listOf("s", 5L, 2.5, true, listOf("a", 1L, null), mapOf("a" to mapOf("b" to listOf(1.5))))) {
            cache.set<Any>("k", value)
            assertEquals(value, cache.get<Any>("k"))
            cache.setObject("k", value)
            assertEquals(value, cache.get<Any>("k"))
        }
        cache.setObject("k", listOf(User("Ada", 36)))
        assertEquals(listOf(User("Ada", 36)), cache.get<List<User>>("k"))
        cache.set<Map<String, Any?>>("k", mapOf("n" to 1, "u" to User("Ada", 36)))
        val ada = mapOf("name" to "Ada", "age" to 36L, "tags" to emptyList<Any>(), "boss" to null)
        assertEquals<Any?>(mapOf("n" to 1L, "u" to ada), cache.get<Any>("k"))
    }

    @Test
    fun `what others wrote without flags can be read as text or number`() {
        raw.set("k", "12")
        assertEquals("12", cache.get<String>("k"))
        assertEquals(12, cache.get<Int>("k"))
        assertContentEquals("12".toByteArray(), cache.get<ByteArray>("k"))
        raw.set("k", "12", flags = Flags.LONG)
        assertEquals(12L, cache.get<Any>("k"))
        raw.set("k", "text", flags = Flags.TEXT)
        assertContentEquals("text".toByteArray(), cache.get<ByteArray>("k"))
    }

    @Test
    fun `counters are numbers`() {
        cache.set("k", 100)
        assertEquals(99, cache.decr("k"))
        assertEquals(99, cache.get<Int>("k"))
        cache.incr("made", 1, 7)
        assertEquals(7, cache.get<Int>("made"))
    }

    @Test
    fun `a value of another type than was asked for is an error that names key and flags`() {
        cache.set("k", "text")
        val error = assertFailsWith<UndecodableValueException> { cache.get<User>("k") }
        assertEquals("k" to 16, error.key to error.flags)
        assertTrue("'k'" in error.message.orEmpty())
        assertFailsWith<UndecodableValueException> { cache.get<Int>("k") }
        cache.set("k", 300)
        assertFailsWith<UndecodableValueException> { cache.get<Byte>("k") }
        assertFailsWith<UndecodableValueException> { cache.get<String>("k") }
        cache.set("k", User("Ada", 36))
        assertFailsWith<UndecodableValueException> { cache.get<Shape>("k") }
        assertFailsWith<UndecodableValueException> { cache.get<Int>("k") }
        cache.set("k", byteArrayOf(-1))
        assertFailsWith<UndecodableValueException> { cache.get<String>("k") }
    }

    @Test
    fun `damaged values are errors and the client goes on`() {
        val damaged = mapOf(
            Flags.INTEGER to "12x".toByteArray(),
            Flags.TEXT to byteArrayOf(-1, -2),
            Flags.PORTABLE to """{"name":""".toByteArray(),
            Flags.JAVA to byteArrayOf(1, 2, 3),
            Flags.ZLIB or Flags.TEXT to "no zlib".toByteArray(),
        )
        for ((flags, bytes) in damaged) {
            raw.set("k", bytes, flags = flags)
            val error = assertFailsWith<UndecodableValueException>("flags $flags") { cache.get<Any>("k") }
            assertEquals(flags, error.flags)
        }
        raw.set("k", "[".repeat(500_000), flags = Flags.PORTABLE)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        raw.set("k", """{"name":"a","age":1,"boss":""".repeat(30_000), flags = Flags.PORTABLE)
        assertFailsWith<UndecodableValueException> { cache.get<User>("k") }
        cache.set("k", "fine")
        assertEquals("fine", cache.get<String>("k"))
    }

    @Test
    fun `a pickle is an error that names the key its writer and the way out`() {
        raw.set("k", "\u0080\u0004N.", flags = 1)
        val error = assertFailsWith<ForeignValueException> { cache.get<Any>("k") }
        assertEquals("k" to 1, error.key to error.flags)
        assertTrue(listOf("'k'", "Python", "StringClient").all { it in error.message.orEmpty() })
        raw.set("k", "x", flags = 0x300)
        assertTrue("Dialect.SPYMEMCACHED" in assertFailsWith<ForeignValueException> { cache.get<Any>("k") }.message.orEmpty())
        raw.set("k", "x", flags = 1 shl 30)
        assertFailsWith<ForeignValueException> { cache.get<Any>("k") }
    }

    @Test
    fun `values are compressed where it pays and read by every client`() {
        Client(server.address, options = PATIENT, values = ValueOptions(compressFrom = 100)).use { small ->
            val text = "abc".repeat(1000)
            small.set("k", text)
            assertEquals(Flags.TEXT or Flags.ZLIB, raw.get("k")?.flags)
            assertTrue(raw.get("k")!!.value.size < 100)
            assertEquals(text, small.get<String>("k"))
            assertEquals(text, cache.get<String>("k"))
            small.set("k", "short")
            assertEquals(Flags.TEXT, raw.get("k")?.flags)
            small.set("k", Random(1).nextBytes(1000))
            assertEquals(Flags.BYTES, raw.get("k")?.flags)
        }
    }

    @Test
    fun `a value that decompresses beyond the limit is an error`() {
        Client(server.address, options = PATIENT, values = ValueOptions(compressFrom = 1)).use { it.set("k", ByteArray(1_000_000)) }
        assertTrue(raw.get("k")!!.value.size < 2000)
        Client(server.address, options = PATIENT, values = ValueOptions(maxDecompressedSize = 999_999)).use { careful ->
            assertTrue("maxDecompressedSize" in assertFailsWith<UndecodableValueException> { careful.get<ByteArray>("k") }.message.orEmpty())
        }
        assertEquals(1_000_000, cache.get<ByteArray>("k")?.size)
    }

    @Test
    fun `java serialization holds the classes of the default list`() {
        val values = listOf(
            Instant.now(), LocalDate.of(2026, 2, 28), ZonedDateTime.now(), java.time.Duration.ofDays(1),
            java.time.ZoneId.of("Europe/Berlin"), arrayListOf<Any>(Instant.EPOCH), hashMapOf<Any, Any>(1 to LocalDate.EPOCH),
            linkedSetOf<Any>(Instant.EPOCH), java.util.TreeMap(mapOf(1 to Instant.EPOCH)), java.util.List.of(Instant.EPOCH),
            listOf(Instant.EPOCH, null), java.util.ArrayDeque(listOf(1)).toList() + Instant.EPOCH,
        )
        for (value in values) {
            assertEquals(Stored, cache.setObject("k", value))
            assertEquals(Flags.JAVA, raw.get("k")?.flags, "$value")
            assertEquals(value, cache.get<Any>("k"))
        }
        cache.set("k", Instant.EPOCH)
        assertEquals(Instant.EPOCH, cache.get<Instant>("k"))
    }

    @Test
    fun `java serialization holds the classes that the user lists and no others`() {
        val error = assertFailsWith<InvalidArgumentException> { cache.set("k", Point(1, 2)) }
        assertTrue(Point::class.java.name in error.message.orEmpty() && "javaClasses" in error.message.orEmpty())
        Client(server.address, options = PATIENT, values = ValueOptions(javaClasses = setOf(Point::class.java.name))).use { trusting ->
            assertEquals(Stored, trusting.set("k", Point(1, 2)))
            assertEquals(Point(1, 2), trusting.get<Point>("k"))
            assertEquals(Stored, trusting.setObject("points", arrayOf(Point(1, 2))))
            assertContentEquals(arrayOf(Point(1, 2)), trusting.get<Array<Point>>("points"))
        }
        val forbidden = assertFailsWith<ForbiddenClassException> { cache.get<Any>("k") }
        assertEquals("k" to Point::class.java.name, forbidden.key to forbidden.className)
        assertFailsWith<InvalidArgumentException> { cache.set("k", Plain(1)) }
        assertFailsWith<InvalidArgumentException> { cache.setObject("k", listOf(Plain(1))) }
    }

    @Test
    fun `a class off the list is never loaded wherever it hides`() {
        for (value in listOf<Any>(Trap(), arrayListOf(1, Trap()), hashMapOf("a" to arrayOf(Trap())), arrayOf(arrayOf(Trap())))) {
            raw.set("k", serialized(value), flags = Flags.JAVA)
            assertEquals(Trap::class.java.name, assertFailsWith<ForbiddenClassException> { cache.get<Any>("k") }.className)
        }
        val proxy = java.lang.reflect.Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Runnable::class.java), SerializableHandler())
        raw.set("k", serialized(proxy), flags = Flags.JAVA)
        assertFailsWith<ForbiddenClassException> { cache.get<Any>("k") }
        assertEquals(false, Trap.sprung)
    }

    @Test
    fun `streams that would exhaust the reader are refused`() {
        var deep: Any = arrayListOf<Any>()
        repeat(60) { deep = arrayListOf(deep) }
        raw.set("k", serialized(deep), flags = Flags.JAVA)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        // 100 nested sets of two sets each: hashing them as they are read would outlast the machine.
        val start = System.nanoTime()
        raw.set("k", serialized(bomb()), flags = Flags.JAVA)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
        assertTrue(System.nanoTime() - start < 20_000_000_000)
        // An array list that claims two billion elements.
        val claim = serialized(arrayListOf<Any>(1, 2, 3)).also { bytes ->
            val at = bytes.indexOfSubarray(byteArrayOf(0, 0, 0, 3, 'w'.code.toByte(), 4, 0, 0, 0, 3))
            for (offset in listOf(at, at + 6)) bytes[offset] = 0x7f
        }
        raw.set("k", claim, flags = Flags.JAVA)
        assertFailsWith<UndecodableValueException> { cache.get<Any>("k") }
    }

    @Test
    fun `what holds itself or is too deep is an error before it is sent`() {
        val loop = ArrayList<Any>().also { it.add(it) }
        assertFailsWith<InvalidArgumentException> { cache.setObject("k", loop) }
        var deep = User("leaf", 1)
        repeat(100_000) { deep = User("a", 1, boss = deep) }
        assertFailsWith<InvalidArgumentException> { cache.set("k", deep) }
    }

    @Test
    fun `half a surrogate pair is an error and no question mark`() {
        val error = assertFailsWith<InvalidArgumentException> { cache.set("k", "a\ud800b") }
        assertTrue("index 1" in error.message.orEmpty())
    }

    @Test
    fun `all storing operations take objects`() {
        raw.delete("k")
        assertEquals(NotStored, cache.replace("k", User("A", 1)))
        assertEquals(Stored, cache.add("k", User("B", 2), 1.hours))
        assertEquals(NotStored, cache.add("k", User("C", 3)))
        assertEquals(Stored, cache.replace("k", User("D", 4)))
        val versioned = assertNotNull(cache.gets<User>("k"))
        assertEquals(User("D", 4), versioned.value)
        assertEquals(Stored, cache.cas("k", User("E", 5), versioned.cas))
        assertEquals(Exists, cache.cas("k", User("F", 6), versioned.cas))
        assertEquals(User("E", 5), cache.getAndTouch<User>("k", 1.hours))
        val touched = assertNotNull(cache.getsAndTouch<User>("k", 1.hours))
        assertEquals(Stored, cache.cas("k", User("G", 7), touched.cas))
    }

    @Test
    fun `batches hold objects and tell of each that cannot be read`() {
        val users = (0 until 150).associate { "user:$it" to User("name $it", it) }
        assertEquals(users.keys, cache.setMulti(users, 1.hours).orThrow().keys)
        raw.set("user:7", "pickle", flags = 1)
        val read = cache.getMulti<User>(users.keys + "missing")
        assertEquals(users - "user:7", read)
        assertEquals(setOf("user:7"), read.errors.keys)
        assertFailsWith<ForeignValueException> { read.orThrow() }
        val versions = cache.getsMulti<User>(listOf("user:1", "user:7"))
        assertEquals(users["user:1"], versions["user:1"]?.value)
        assertEquals(raw.gets("user:1")?.cas, versions["user:1"]?.cas)
        assertEquals(setOf("user:7"), versions.errors.keys)
    }

    private fun bomb(): Any {
        val root = HashSet<Any>()
        var first = root
        var second = HashSet<Any>()
        repeat(100) {
            val left = HashSet<Any>()
            val right = hashSetOf<Any>("not equal")
            for (set in listOf(first, second)) {
                // Added while empty: filling the sets afterwards leaves their wrong hashes in place and takes no time.
                set.add(left)
                set.add(right)
            }
            first = left
            second = right
        }
        return root
    }

    private class SerializableHandler : java.lang.reflect.InvocationHandler, java.io.Serializable {
        override fun invoke(proxy: Any, method: java.lang.reflect.Method, arguments: Array<out Any>?): Any? = null
    }
}

private fun serialized(value: Any): ByteArray {
    val out = java.io.ByteArrayOutputStream()
    java.io.ObjectOutputStream(out).use { it.writeObject(value) }
    return out.toByteArray()
}

private fun ByteArray.indexOfSubarray(part: ByteArray): Int =
    (0..size - part.size).first { start -> part.indices.all { this[start + it] == part[it] } }
