package io.github.cmemcache

import kotlinx.serialization.InternalSerializationApi
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.serializerOrNull
import java.math.BigInteger

/** JSON of objects whose type is known only at run time, and objects of JSON when no type was asked for. */
internal class JsonValues(private val json: Json) {
    /** The JSON of an object; null if there is none that would read back as the same. */
    fun toJson(value: Any?): JsonElement? = when (value) {
        null -> JsonNull
        is JsonElement -> value
        is Boolean -> JsonPrimitive(value)
        is Float -> if (value.isFinite()) JsonPrimitive(value) else null
        is Double -> if (value.isFinite()) JsonPrimitive(value) else null
        is String -> JsonPrimitive(value)
        is Int, is Long, is Short, is Byte, is BigInteger -> JsonPrimitive(value as Number)
        is List<*> -> array(value)
        is Set<*> -> array(value)
        is Map<*, *> -> record(value)
        is ByteArray -> null
        else -> ofClass(value)
    }

    private fun array(values: Collection<*>): JsonElement? = JsonArray(values.map { toJson(it) ?: return null })

    private fun record(map: Map<*, *>): JsonElement? =
        JsonObject(map.entries.associate { (key, value) -> (key as? String ?: return null) to (toJson(value) ?: return null) })

    @OptIn(InternalSerializationApi::class)
    @Suppress("UNCHECKED_CAST")
    private fun ofClass(value: Any): JsonElement? {
        val serializer = json.serializersModule.serializerOrNull(value.javaClass) ?: return null
        return json.encodeToJsonElement(serializer, value)
    }

    /** null, Boolean, Long, BigInteger, Double, String, List or Map. */
    fun toAny(element: JsonElement): Any? = when (element) {
        JsonNull -> null
        is JsonPrimitive -> if (element.isString) element.content else scalar(element.content)
        is JsonArray -> element.map(::toAny)
        is JsonObject -> element.mapValues { toAny(it.value) }
    }

    private fun scalar(content: String): Any = when (content) {
        "true" -> true
        "false" -> false
        else -> {
            if (!content.all { it in NUMERIC }) throw SerializationException("$content is not JSON")
            integer(content) ?: content.toDouble()
        }
    }

    private companion object {
        /** The parser takes any bare word, and toDouble some that are no JSON: NaN, 1d, 0x1p3. */
        const val NUMERIC = "0123456789+-.eE"
    }
}
