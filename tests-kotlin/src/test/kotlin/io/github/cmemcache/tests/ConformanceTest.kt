package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.Failover
import io.github.cmemcache.Flags
import io.github.cmemcache.KeyCharset
import io.github.cmemcache.Placement
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.Spin
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import io.github.cmemcache.TlsOptions
import io.github.cmemcache.ValueOptions
import io.github.cmemcache.WireProtocol
import io.github.cmemcache.cacheException
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.time.Instant
import java.util.Base64
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

/** The vectors of conformance/ that go through the public interface; those of the packed layout stand in PackedLayoutTest. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConformanceTest {
    private val server = Memcached()
    private val strings = StringClient(server.address, options = PATIENT)

    @AfterAll
    fun end() {
        strings.close()
        server.close()
    }

    /** The class of each kind of error. */
    private val errors = vectors("errors.json").associate { it.text("name") to Class.forName("io.github.cmemcache.${it.text("kotlin")}") }

    private fun failsWith(kind: String, run: () -> Unit): CacheException {
        val error = assertFailsWith<CacheException> { run() }
        assertEquals(errors.getValue(kind), error.javaClass)
        return error
    }

    @Test
    fun `keys belong to the servers that the vectors say`() {
        for (file in listOf("placement.json", "libmemcached.json", "rendezvous.json")) eachVector(file, ::checkPlacement)
    }

    private fun checkPlacement(case: JsonObject) {
        val servers = case.getValue("servers").jsonArray.map { it.jsonObject }
            .map { ServerSpec(it.text("address"), it.getValue("weight").jsonPrimitive.int) }
        val keys = case.getValue("keys").jsonArray.map { it.jsonPrimitive.content }
        for ((placement, indices) in case.getValue("server_index").jsonObject) {
            val options = ClientOptions(placement = Placement.valueOf(placement.uppercase()), failover = Failover.FAIL_FAST)
            StringClient(servers, options).use { client ->
                // A server that is down is not asked, and the error of each of its keys names it.
                val names = client.metrics().map { it.server }
                names.forEach { client.markDown(it, 1.hours) }
                val chosen = client.getMulti(keys).errors.mapValues { it.value.server }
                assertEquals(keys.zip(indices.jsonArray.map { names[it.jsonPrimitive.int] }).toMap(), chosen)
            }
        }
    }

    @Test
    fun `server strings are read as the vectors say`() = eachVector("addresses.json") { case ->
        val refused = case.textOrNull("refused")
        if (refused == null) {
            StringClient(case.text("text")).use { assertEquals(case.text("canonical"), it.metrics().single().server) }
        } else {
            assertContains(failsWith("InvalidArgument") { StringClient(case.text("text")) }.message!!, refused)
        }
    }

    @Test
    fun `legal keys hold values and every operation refuses the others`() = eachVector("keys.json") { case ->
        val bytes = bytesOf(case.getValue("key"))
        val (key, charset) = try {
            Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString() to KeyCharset.UTF_8
        } catch (_: CharacterCodingException) {
            String(bytes, Charsets.ISO_8859_1) to KeyCharset.LATIN_1
        }
        val options = PATIENT.copy(
            WireProtocol.META, keyPrefix = case.textOrNull("prefix").orEmpty(), keyCharset = charset,
            binaryKeys = case["binary"]?.jsonPrimitive?.boolean ?: false,
        )
        StringClient(server.address, options = options).use { client ->
            val error = case.textOrNull("error")
            if (error == null) {
                assertEquals(Stored, client.set(key, "held"))
                assertEquals("held", client.get(key)?.text)
                assertEquals("held", client.getMulti(listOf(key)).orThrow()[key]?.text)
                assertTrue(client.delete(key))
            } else {
                failsWith(error) { client.get(key) }
                failsWith(error) { client.set(key, "x") }
                failsWith(error) { client.delete(key) }
                failsWith(error) { client.incr(key) }
                failsWith(error) { client.getMulti(listOf(key)).orThrow() }
            }
        }
    }

    @Test
    fun `times become what the server is told`() = Client(server.address, options = PATIENT.copy(WireProtocol.META)).use { client ->
        eachVector("exptime.json") { case ->
            val lifetime = case.textOrNull("lifetime")?.toDouble()?.seconds ?: Duration.INFINITE
            val error = case.textOrNull("error")
            if (error != null) {
                failsWith(error) { client.set("refused", "x", lifetime) }
                return@eachVector
            }
            client.set("set", "x", lifetime)
            client.set("touched", "x")
            client.touch("touched", lifetime)
            for (found in listOf("set", "touched").map { client.metadata(it) }) when (val ttl = case.getValue("ttl")) {
                JsonNull -> assertNull(assertNotNull(found).ttlSeconds)
                JsonPrimitive("gone") -> assertNull(found)
                else -> assertContains(ttl.jsonPrimitive.long - 10..ttl.jsonPrimitive.long + 10, assertNotNull(found).ttlSeconds)
            }
        }
    }

    @Test
    fun `values have the bytes and flags of the vectors`() = Client(server.address, options = PATIENT).use { client ->
        eachVector("values.json") { case ->
            val flags = case.getValue("flags").jsonPrimitive.long.toInt()
            val writes = case["writes"]?.jsonArray
            if (writes != null) {
                client.setObject("k", valueOf(case.getValue("value")))
                val stored = assertNotNull(strings.get("k"))
                assertEquals(flags, stored.flags)
                assertTrue(writes.any { bytesOf(it).contentEquals(stored.value) }, "wrote ${stored.text}")
            }
            for (form in writes ?: listOf(case.getValue("reads"))) {
                strings.set("k", bytesOf(form), flags = flags)
                val error = case.textOrNull("error")
                if (error == null) assertReads(valueOf(case.getValue("value")), client) else assertRefuses(client, error, case)
            }
        }
    }

    private fun assertReads(expected: Any?, client: Client) = when (expected) {
        is ByteArray -> assertContentEquals(expected, client.get<Any>("k") as ByteArray)
        else -> assertEquals(expected, client.get<Any>("k"))
    }

    private fun assertRefuses(client: Client, kind: String, case: JsonObject) {
        val message = failsWith(kind) { client.get<Any>("k") }.message!!
        val writer = case.textOrNull("writer") ?: return
        assertContains(message, "'k'")
        assertContains(message, writer)
        assertTrue("StringClient" in message || "Dialect" in message, "no way out in: $message")
    }

    @Test
    fun `compression is as the vectors say`() = eachVector("compression.json") { case ->
        if ("stream" in case) checkCap(case) else checkCompression(case)
    }

    private fun checkCap(case: JsonObject) {
        val values = ValueOptions(maxDecompressedSize = case.getValue("cap").jsonPrimitive.int)
        Client(server.address, options = PATIENT, values = values).use { client ->
            strings.set("k", Base64.getDecoder().decode(case.text("stream")), flags = case.getValue("flags").jsonPrimitive.int)
            val error = case.textOrNull("error")
            if (error != null) failsWith(error) { client.get<Any>("k") } else assertReads(valueOf(case.getValue("value")), client)
        }
    }

    private fun checkCompression(case: JsonObject) {
        val values = ValueOptions(compressFrom = case.getValue("compress_from").jsonPrimitive.int)
        Client(server.address, options = PATIENT, values = values).use { client ->
            val value = valueOf(case.getValue("value"))
            client.setObject("k", value)
            val stored = assertNotNull(strings.get("k"))
            assertEquals(case.getValue("compressed").jsonPrimitive.boolean, stored.flags and Flags.ZLIB != 0)
            assertReads(value, client)
        }
    }

    @Test
    fun `signed values are as the vectors say`() = eachVector("signing.json") { case ->
        val key = case.text("key")
        val stored = bytesOf(case.getValue("stored"))
        strings.set(key, stored, flags = case.getValue("flags").jsonPrimitive.int)
        val values = ValueOptions(signingKeys = case.getValue("signing_keys").jsonArray.map(::bytesOf))
        Client(server.address, options = PATIENT, values = values).use { client ->
            val error = case.textOrNull("error")
            if (error != null) {
                assertContains(failsWith(error) { client.get<Any>(key) }.message!!, "'$key'")
                failsWith(error) { client.gets<Any>(key) }
                failsWith(error) { client.getMulti<Any>(listOf(key)).orThrow() }
            } else {
                checkSigned(client, key, case, stored)
            }
        }
    }

    private fun checkSigned(client: Client, key: String, case: JsonObject, stored: ByteArray) {
        val value = assertNotNull(client.get<Any>(key))
        strings.set("plain", bytesOf(case.getValue("value")), flags = case.getValue("value_flags").jsonPrimitive.int)
        Client(server.address, options = PATIENT).use { unsigned ->
            val plain = unsigned.get<Any>("plain")
            if (value is ByteArray) assertContentEquals(plain as ByteArray, value) else assertEquals(plain, value)
        }
        if (!case.getValue("writes").jsonPrimitive.boolean) return
        for (store in listOf({ client.setObject(key, value) }, { client.setMultiObjects(mapOf(key to value)).orThrow() })) {
            strings.delete(key)
            store()
            val found = assertNotNull(strings.get(key))
            assertContentEquals(stored, found.value)
            assertEquals(Flags.SIGNED, found.flags)
        }
    }

    @Test
    fun `a signing client covers the prefix and refuses what the server would change`() {
        val values = ValueOptions(signingKeys = listOf("0123456789abcdef".toByteArray()))
        Client(server.address, options = PATIENT.copy(keyPrefix = "a:"), values = values).use { client ->
            client.set("k", "mine")
            assertEquals("mine", client.withTimeout(20.seconds).get<String>("k"))
            strings.set("a:j", strings.get("a:k")!!.value, flags = Flags.SIGNED)
            failsWith("UntrustedValue") { client.get<String>("j") }
            val refused = listOf(
                failsWith("Unsupported") { client.incr("k") }, failsWith("Unsupported") { client.decr("k", 1, 1, 1.hours) },
                failsWith("Unsupported") { client.append("k", "x") }, failsWith("Unsupported") { client.prepend("k", "x") },
            )
            refused.forEach { assertContains(it.message!!, "signingKeys") }
        }
        Client(server.address, options = PATIENT).use { assertContains(failsWith("ForeignValue") { it.get<String>("a:k") }.message!!, "signingKeys") }
        val short = ValueOptions.builder().signingKeys("too short".toByteArray()).build()
        assertContains(failsWith("InvalidArgument") { Client(server.address, options = PATIENT, values = short) }.message!!, "shorter than 16")
    }

    @Serializable
    private data class Record(val name: String)

    private val samples = mapOf(
        "bytes" to byteArrayOf(1), "text" to "t", "integer" to 1, "null" to null, "boolean" to true, "float" to 0.5,
        "nan" to Double.NaN, "list" to listOf(1), "map" to mapOf("a" to 1), "record" to Record("a"), "other" to Instant.EPOCH,
    )

    @Test
    fun `flags are those of the registry`() = Client(server.address, options = PATIENT).use { client ->
        fun constant(name: String) = Flags::class.java.getField(name.removePrefix("FLAG_")).getInt(null)
        eachVector("flags.json") { case ->
            if ("flags" in case) {
                assertEquals(case.getValue("flags").jsonPrimitive.int, constant(case.text("name")))
            } else {
                assertContains(samples, case.text("type"))
                client.setObject("k", samples[case.text("type")])
                assertEquals(constant(case.text("kotlin")), assertNotNull(strings.get("k")).flags)
            }
        }
    }

    @Test
    fun `kinds of errors have their names and numbers`() {
        val numbers = mutableSetOf<Int>()
        eachVector("errors.json") { case ->
            val kind = errors.getValue(case.text("name"))
            assertTrue(CacheException::class.java.isAssignableFrom(kind))
            val number = case["number"]?.jsonPrimitive?.int ?: return@eachVector
            numbers += number
            assertEquals(kind, cacheException(number, "", null, null, false).javaClass)
        }
        val internal = errors.getValue("InternalError")
        assertEquals(numbers, (64..127).filter { cacheException(it, "", null, null, false).javaClass != internal }.toSet())
    }

    @Test
    fun `options have their defaults`() {
        val options = ClientOptions()
        fun millis(time: Duration) = "${time.inWholeMilliseconds}"
        fun name(choice: Enum<*>) = choice.name.split('_').joinToString("") { it.lowercase().replaceFirstChar(Char::uppercase) }
        val tls = TlsOptions()
        val ours = mapOf(
            "protocol" to name(options.protocol),
            "placement" to name(options.placement),
            "failover" to name(options.failover),
            "timeout_ms" to millis(options.timeout),
            "connect_timeout_ms" to millis(options.connectTimeout),
            "dead_retry_ms" to millis(options.deadRetry),
            "failure_limit" to "${options.failureLimit}",
            "max_connections" to "${options.maxConnections}",
            "max_value_size" to "${options.maxValueSize}",
            "key_prefix" to options.keyPrefix,
            "binary_keys" to "${options.binaryKeys}",
            "flush_on_reconnect" to "${options.flushOnReconnect}",
            "spin" to if (options.spin == Spin.Auto) "Auto" else "another",
            "tls" to "${options.tls ?: "none"}",
            "user" to "${options.user ?: "none"}",
            "password" to "${options.password ?: "none"}",
            "ca" to "${tls.ca ?: "none"}",
            "certificate" to "${tls.certificate ?: "none"}",
            "key" to "${tls.key ?: "none"}",
            "server_name" to "${tls.serverName ?: "none"}",
            "danger_accept_any_certificate" to "${tls.dangerAcceptAnyCertificate}",
            "weight" to "${ServerSpec("localhost").weight}",
        )
        eachVector("options.json") { case -> assertEquals(case.text("default"), ours[case.text("name")]) }
    }
}
