package io.github.cmemcache.tests

import com.sun.jna.Memory
import com.sun.jna.Pointer
import io.github.cmemcache.ADD
import io.github.cmemcache.APPEND
import io.github.cmemcache.CacheException
import io.github.cmemcache.Core
import io.github.cmemcache.DECR
import io.github.cmemcache.Encoded
import io.github.cmemcache.GAT
import io.github.cmemcache.GATS
import io.github.cmemcache.GET
import io.github.cmemcache.GETS
import io.github.cmemcache.GETS_MULTI
import io.github.cmemcache.GET_MULTI
import io.github.cmemcache.INCR
import io.github.cmemcache.InternalErrorException
import io.github.cmemcache.Item
import io.github.cmemcache.KeyCharset
import io.github.cmemcache.MultiResult
import io.github.cmemcache.NativeMemory
import io.github.cmemcache.PREPEND
import io.github.cmemcache.PackedDoor
import io.github.cmemcache.REPLACE
import io.github.cmemcache.SET
import io.github.cmemcache.StoreOutcome
import io.github.cmemcache.cacheException
import io.github.cmemcache.ffi.NoHandle
import io.github.cmemcache.ffi.StringClient
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.util.HexFormat
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** The exchanges of conformance/packed.json: what is sent byte by byte, and what is made of each reply. */
class PackedLayoutTest {
    @Test
    fun `replies in the caller's memory`() = eachVector("packed.json") { exchange(it, keep = false) }

    @TestFactory
    fun `replies that the library keeps`() = vectors("packed.json").filter { it.text("reply").length > 32 }
        .map { case -> DynamicTest.dynamicTest(case.text("name")) { exchange(case, keep = true) } }

    /** Answers as the case says, in the caller's memory or in memory of its own. */
    private class ScriptedDoor(case: JsonObject, private val keep: Boolean) : PackedDoor {
        private val reply = HexFormat.of().parseHex(case.text("reply"))
        private val kept = Memory(reply.size.toLong().coerceAtLeast(1))
        var request = ""
        var payload = ""
        var released = 0

        override fun call(client: Long, request: NativeMemory, value: NativeMemory, valueSize: Int, reply: NativeMemory, status: Pointer): Long {
            assertEquals(77, client)
            this.request = hex(request, request.bytes.position())
            payload = hex(value, valueSize)
            if (!keep) {
                reply.bytes.put(0, this.reply)
                return this.reply.size.toLong()
            }
            kept.write(0, this.reply, 16, this.reply.size - 16)
            reply.bytes.put(0, this.reply, 0, 16)
            reply.bytes.put(1, (reply.bytes.get(1).toInt() or 1).toByte())
            reply.bytes.putLong(16, Pointer.nativeValue(kept)).putLong(24, this.reply.size - 16L).putLong(32, 5)
            return 40
        }

        override fun release(token: Long, status: Pointer) {
            assertEquals(5, token)
            released++
        }

        private fun hex(memory: NativeMemory, size: Int) = HexFormat.of().formatHex(Pointer(memory.address).getByteArray(0, size))
    }

    private fun exchange(case: JsonObject, keep: Boolean) {
        val door = ScriptedDoor(case, keep)
        val core = Core(StringClient(NoHandle), 77, KeyCharset.UTF_8, case["timeout"]?.jsonPrimitive?.int ?: 0, door)
        val expect = case.getValue("expect").jsonObject
        when {
            "malformed" in expect -> assertFailsWith<InternalErrorException> { run(core, case) }
            "error" in expect -> assertError(expect.getValue("error").jsonObject, assertFailsWith<CacheException> { run(core, case) })
            "entries" in expect -> assertEntries(case, assertIs<MultiResult<*>>(run(core, case)))
            else -> assertResult(expect, run(core, case))
        }
        assertEquals(case.text(if ("request_with_lengths" in case) "request_with_lengths" else "request"), door.request)
        assertEquals(case.text("payload"), door.payload)
        assertEquals(if (keep) 1 else 0, door.released)
    }

    private fun run(core: Core, case: JsonObject): Any? {
        val key = case["key"]?.jsonPrimitive?.content.orEmpty()
        val value = case["value"]?.jsonPrimitive?.content.orEmpty().toByteArray()
        val flags = case["flags"]?.jsonPrimitive?.int ?: 0
        val exptime = case["exptime"]?.jsonPrimitive?.long ?: 0
        fun bits(name: String) = case[name]?.jsonPrimitive?.content?.toULong()?.toLong()
        fun keys() = case.getValue("keys").jsonArray.map { it.jsonPrimitive.content }
        return when (val operation = case.text("operation")) {
            "get" -> core.get(GET, key)
            "gets" -> core.get(GETS, key)
            "gat" -> core.getAndTouch(GAT, key, exptime)
            "gats" -> core.getAndTouch(GATS, key, exptime)
            "set" -> core.store(SET, key, value, flags, exptime)
            "add" -> core.store(ADD, key, value, flags, exptime)
            "replace" -> core.store(REPLACE, key, value, flags, exptime)
            "append" -> core.extend(APPEND, key, value)
            "prepend" -> core.extend(PREPEND, key, value)
            "cas" -> core.cas(key, value, assertNotNull(bits("cas")), flags, exptime)
            "delete" -> core.delete(key)
            "touch" -> core.touch(key, exptime)
            "incr" -> core.count(INCR, key, assertNotNull(bits("delta")), bits("initial"), exptime)
            "decr" -> core.count(DECR, key, assertNotNull(bits("delta")), bits("initial"), exptime)
            "get_multi" -> core.getMulti(GET_MULTI, keys())
            "gets_multi" -> core.getMulti(GETS_MULTI, keys())
            "delete_multi" -> core.deleteMulti(keys())
            "set_multi" -> {
                val entries = case.getValue("entries").jsonArray.map { it.jsonObject }
                val values = entries.map { Encoded(it.text("value").toByteArray(), it.getValue("flags").jsonPrimitive.int) }
                core.setMulti(entries.map { it.text("key") }, values, exptime)
            }
            else -> error("operation $operation is not run")
        }
    }

    private fun assertResult(expect: JsonObject, result: Any?) {
        when (val kind = expect.keys.single()) {
            "miss" -> assertNull(result)
            "item" -> assertItem(expect.getValue("item").jsonObject, assertIs<Item>(result))
            "outcome" -> assertEquals(outcomes.getValue(expect.text("outcome")), result)
            "done" -> assertEquals(expect.getValue("done").jsonPrimitive.boolean, result)
            "number" -> assertEquals(expect.text("number").toULong().toLong(), result)
            else -> error("$kind is not checked")
        }
    }

    private fun assertEntries(case: JsonObject, results: MultiResult<*>) {
        val keys = case["keys"]?.jsonArray?.map { it.jsonPrimitive.content } ?: case.getValue("entries").jsonArray.map { it.jsonObject.text("key") }
        val entries = case.getValue("expect").jsonObject.getValue("entries").jsonArray.map { it.jsonObject }
        assertEquals(keys.size, entries.size)
        for ((key, entry) in keys.zip(entries)) {
            if ("error" in entry) {
                assertTrue(key !in results)
                assertError(entry.getValue("error").jsonObject, assertNotNull(results.errors[key]))
            } else {
                assertTrue(key !in results.errors)
                assertResult(entry, results[key])
            }
        }
    }

    private fun assertItem(expect: JsonObject, item: Item) {
        assertEquals(expect.text("value"), item.text)
        assertEquals(expect.text("flags").toUInt(), item.flags.toUInt())
        assertEquals(expect["cas"]?.jsonPrimitive?.content?.toULong()?.toLong(), item.cas)
    }

    private fun assertError(expect: JsonObject, error: CacheException) {
        val kind = expect.getValue("kind").jsonPrimitive.int
        assertEquals(cacheException(kind, "", null, null, false)::class, error::class)
        assertTrue(expect.text("message") in error.message.orEmpty())
        assertEquals(expect.optional("server"), error.server)
        assertEquals(expect.optional("phase"), error.phase?.name?.lowercase())
        assertEquals(expect["outcome_unknown"]?.jsonPrimitive?.boolean ?: false, error.outcomeUnknown)
    }

    private companion object {
        val outcomes = mapOf(
            "stored" to StoreOutcome.Stored,
            "not_stored" to StoreOutcome.NotStored,
            "exists" to StoreOutcome.Exists,
            "not_found" to StoreOutcome.NotFound,
        )

        fun JsonObject.optional(name: String): String? = (this[name] as? JsonPrimitive)?.takeIf { it !is JsonNull }?.content
    }
}
