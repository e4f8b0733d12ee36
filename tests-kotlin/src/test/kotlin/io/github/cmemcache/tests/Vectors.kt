package io.github.cmemcache.tests

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.io.File
import java.util.Base64

private val root = File(System.getProperty("project.root"))

/** The cases of a file of conformance/ that are for Kotlin. */
fun vectors(file: String): List<JsonObject> {
    val content = Json.parseToJsonElement(File(root, "conformance/$file").readText()).jsonObject
    return content.getValue("cases").jsonArray.map { it.jsonObject }.filter { case ->
        (case["suites"] ?: content.getValue("suites")).jsonArray.any { it.jsonPrimitive.content == "kotlin" }
    }
}

/** Runs the cases of a file, all of them also when some fail, and notes down for conformance/check.py how many there were. */
fun eachVector(file: String, run: (JsonObject) -> Unit) {
    val cases = vectors(file)
    val failed = cases.mapNotNull { case -> runCatching { run(case) }.exceptionOrNull()?.let { case.text("name") to it } }
    if (failed.isNotEmpty()) {
        val lines = failed.joinToString("\n") { (name, error) -> "$name: $error" }
        throw AssertionError("${failed.size} of ${cases.size} cases of $file failed:\n$lines", failed.first().second)
    }
    File(root, "target/vectors/kotlin").apply { mkdirs() }.resolve(file).writeText("${cases.size}")
}

fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

/** The text behind a name that may be missing. */
fun JsonObject.textOrNull(name: String): String? = this[name]?.takeIf { it != JsonNull }?.jsonPrimitive?.content

/** The bytes of a string, {base64}, or {repeat, times}. */
fun bytesOf(part: JsonElement): ByteArray = when {
    part is JsonPrimitive -> part.content.toByteArray()
    "base64" in part.jsonObject -> Base64.getDecoder().decode(part.jsonObject.text("base64"))
    else -> part.jsonObject.text("repeat").repeat(part.jsonObject.getValue("times").jsonPrimitive.int).toByteArray()
}

/** The value of {null}, {boolean}, {integer}, {float}, {text}, {bytes}, {list} or {map}. */
fun valueOf(tagged: JsonElement): Any? {
    val (kind, content) = tagged.jsonObject.entries.single()
    return when (kind) {
        "null" -> null
        "boolean" -> content.jsonPrimitive.boolean
        "integer" -> content.jsonPrimitive.content.let { it.toLongOrNull() ?: it.toBigInteger() }
        "float" -> floatOf(content.jsonPrimitive.content)
        "text" -> String(bytesOf(content))
        "bytes" -> Base64.getDecoder().decode(content.jsonPrimitive.content)
        "list" -> content.jsonArray.map(::valueOf)
        "map" -> content.jsonObject.mapValues { valueOf(it.value) }
        else -> error("there is no type $kind")
    }
}

/** A float as Python shows it. */
private fun floatOf(text: String): Double = when (text) {
    "nan" -> Double.NaN
    "inf" -> Double.POSITIVE_INFINITY
    "-inf" -> Double.NEGATIVE_INFINITY
    else -> text.toDouble()
}
