/*
 * Writes and reads values as conformance/matrix.py asks: a line of JSON in, a line of JSON out.
 *
 * The argument says by which client: cmemcache, spymemcached, or spy-dialect (cmemcache with Dialect.SPYMEMCACHED).
 */
package io.github.cmemcache.driver

import io.github.cmemcache.Client
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.Dialect
import io.github.cmemcache.Placement
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.StringClient
import io.github.cmemcache.ValueOptions
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import net.spy.memcached.DefaultHashAlgorithm
import net.spy.memcached.KetamaConnectionFactory
import net.spy.memcached.KetamaNodeKeyFormatter
import net.spy.memcached.MemcachedClient
import net.spy.memcached.transcoders.SerializingTranscoder
import java.io.PrintStream
import java.math.BigInteger
import java.net.InetAddress
import java.net.InetSocketAddress
import java.util.Base64
import kotlin.time.Duration.Companion.seconds

/** Stores and reads by one client library. */
private interface Cache {
    fun write(key: String, value: Any?, compress: Boolean)

    /** The value as a type like that of [kind], or [MISSING]. */
    fun read(key: String, kind: String): Any?
}

private val MISSING = Any()

/** From so many bytes on a client compresses that is told to. */
private const val COMPRESS = 1000

private class Cmemcache(servers: List<String>, placement: String, dialect: Dialect) : Cache {
    private val specs = servers.map { ServerSpec(it) }
    private val options = ClientOptions(
        placement = Placement.valueOf(placement.uppercase()), timeout = 20.seconds, connectTimeout = 20.seconds, maxValueSize = 0,
    )
    private val plain = Client(specs, options, ValueOptions(dialect, compressFrom = 0))
    private val compressing = Client(specs, options, ValueOptions(dialect, compressFrom = COMPRESS))
    private val strings = StringClient(specs, options)

    override fun write(key: String, value: Any?, compress: Boolean) {
        (if (compress) compressing else plain).setObject(key, value)
    }

    override fun read(key: String, kind: String): Any? {
        if (strings.get(key) == null) return MISSING
        return when (kind) {
            "text" -> plain.get<String>(key)
            "bytes" -> plain.get<ByteArray>(key)
            "integer" -> plain.get<BigInteger>(key)
            "boolean" -> plain.get<Boolean>(key)
            "float" -> plain.get<Double>(key)
            else -> plain.get<Any>(key)
        }
    }
}

/** spymemcached on libmemcached's weighted ring, the one that it shares with others. */
private class Ring : KetamaConnectionFactory(
    DEFAULT_OP_QUEUE_LEN, DEFAULT_READ_BUFFER_SIZE, DEFAULT_OP_QUEUE_MAX_BLOCK_TIME, DefaultHashAlgorithm.KETAMA_HASH,
    KetamaNodeKeyFormatter.Format.LIBMEMCACHED, emptyMap<InetSocketAddress, Int>(),
) {
    override fun getOperationTimeout(): Long = 20_000

    override fun isDaemon(): Boolean = true
}

private class Spymemcached(servers: List<String>, placement: String) : Cache {
    private val compressing = SerializingTranscoder().apply { setCompressionThreshold(COMPRESS) }
    private val plain = SerializingTranscoder().apply { setCompressionThreshold(Int.MAX_VALUE) }
    // The ring hashes names of hosts: an address that is named by itself is not looked up.
    private val host = InetAddress.getByAddress("127.0.0.1", byteArrayOf(127, 0, 0, 1))
    private val client = MemcachedClient(Ring(), servers.map { InetSocketAddress(host, it.substringAfter(':').toInt()) })

    init {
        require(placement == "ketama_weighted" || servers.size == 1)
    }

    override fun write(key: String, value: Any?, compress: Boolean) {
        check(client.set<Any>(key, 0, value!!, if (compress) compressing else plain).get())
    }

    /** It answers null for what it cannot read, as for a miss; touch tells these apart. */
    override fun read(key: String, kind: String): Any? =
        client.get(key) ?: if (client.touch<Any>(key, 0).get()) null else MISSING
}

private fun open(kind: String, servers: List<String>, placement: String): Cache = when (kind) {
    "cmemcache" -> Cmemcache(servers, placement, Dialect.PORTABLE)
    "spy-dialect" -> Cmemcache(servers, placement, Dialect.SPYMEMCACHED)
    "spymemcached" -> Spymemcached(servers, placement)
    else -> error("there is no client $kind")
}

/** The value of {null}, {boolean}, {integer}, {float}, {text}, {bytes}, {list} or {map}. */
private fun valueOf(tagged: JsonElement): Any? {
    val (kind, content) = tagged.jsonObject.entries.single()
    return when (kind) {
        "null" -> null
        "boolean" -> content.jsonPrimitive.boolean
        "integer" -> content.jsonPrimitive.content.let { it.toLongOrNull() ?: it.toBigInteger() }
        "float" -> floatOf(content.jsonPrimitive.content)
        "text" -> content.jsonPrimitive.content
        "bytes" -> Base64.getDecoder().decode(content.jsonPrimitive.content)
        "list" -> content.jsonArray.mapTo(ArrayList(), ::valueOf)
        else -> content.jsonObject.mapValuesTo(LinkedHashMap()) { valueOf(it.value) }
    }
}

/** A float as Python shows it. */
private fun floatOf(text: String): Double = when (text) {
    "nan" -> Double.NaN
    "inf" -> Double.POSITIVE_INFINITY
    "-inf" -> Double.NEGATIVE_INFINITY
    else -> text.toDouble()
}

private fun tagged(value: Any?): JsonElement {
    val (kind, content) = when (value) {
        null -> "null" to JsonPrimitive(true)
        is Boolean -> "boolean" to JsonPrimitive(value)
        is Int, is Long, is BigInteger -> "integer" to JsonPrimitive("$value")
        is Double -> "float" to JsonPrimitive("$value".replace("Infinity", "inf").replace("NaN", "nan"))
        is String -> "text" to JsonPrimitive(value)
        is ByteArray -> "bytes" to JsonPrimitive(Base64.getEncoder().encodeToString(value))
        is List<*> -> "list" to JsonArray(value.map(::tagged))
        is Map<*, *> -> "map" to JsonObject(value.entries.associate { "${it.key}" to tagged(it.value) })
        else -> error("there is no tag for ${value.javaClass}")
    }
    return buildJsonObject { put(kind, content) }
}

private fun answer(cache: Cache, asked: JsonObject): JsonObject {
    val key = asked.getValue("key").jsonPrimitive.content
    return try {
        if (asked.getValue("op").jsonPrimitive.content == "write") {
            cache.write(key, valueOf(asked.getValue("value")), asked.getValue("compress").jsonPrimitive.boolean)
            buildJsonObject { put("ok", true) }
        } else {
            val value = cache.read(key, asked.getValue("like").jsonPrimitive.content)
            buildJsonObject { if (value === MISSING) put("miss", true) else put("value", tagged(value)) }
        }
    } catch (e: RuntimeException) {
        buildJsonObject { put("refused", e.javaClass.simpleName) }
    }
}

fun main(arguments: Array<String>) {
    // Nothing but answers goes to the standard output.
    val output = System.out
    System.setOut(PrintStream(System.err))
    System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SLF4JLogger")
    var cache: Cache? = null
    for (line in generateSequence(::readlnOrNull)) {
        val asked = Json.parseToJsonElement(line).jsonObject
        val told = if (asked.getValue("op").jsonPrimitive.content == "open") {
            val servers = asked.getValue("servers").jsonArray.map { it.jsonPrimitive.content }
            cache = open(arguments.single(), servers, asked.getValue("placement").jsonPrimitive.content)
            buildJsonObject { put("ok", true) }
        } else {
            answer(checkNotNull(cache), asked)
        }
        output.println(told)
        output.flush()
    }
}
