package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.Placement
import io.github.cmemcache.StoreOutcome.Exists
import io.github.cmemcache.StoreOutcome.NotFound
import io.github.cmemcache.StoreOutcome.NotStored
import io.github.cmemcache.StoreOutcome.Stored
import io.github.cmemcache.StringClient
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

@Serializable
data class Customer(val name: String, val orders: List<Int> = emptyList())

/** The examples of docs/kotlin.md, word for word but for the addresses of the servers. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuideTest {
    private val servers = listOf(Memcached(), Memcached())
    private val address = servers[0].address
    private val otherAddress = servers[1].address
    private val printed = StringBuilder()

    @BeforeEach
    fun clear() {
        printed.clear()
    }

    @AfterAll
    fun end() = servers.forEach { it.close() }

    private fun println(line: String) {
        printed.appendLine(line)
    }

    @Test
    @Suppress("UNUSED_VARIABLE")
    fun objects() {
        Client(address).use { cache ->
            cache.set("customer:1", Customer("Ada", listOf(17)), 10.minutes)
            val customer: Customer? = cache.get("customer:1")
            val names: List<String>? = cache.get("names")
            cache.incr("visits", delta = 1, initial = 1, expiry = 1.hours)
        }
        Client(address).use { cache ->
            assertEquals(Customer("Ada", listOf(17)), cache.get<Customer>("customer:1"))
            assertEquals(1, cache.get<Int>("visits"))
        }
    }

    @Test
    fun bytes() {
        val html = "<p>".toByteArray()
        val more = "</p>".toByteArray()
        StringClient(address, otherAddress, options = ClientOptions(placement = Placement.KETAMA_WEIGHTED)).use { cache ->
            cache.set("page:1", html, 1.minutes, flags = 7)
            val item = cache.gets("page:1")
            if (item != null) when (cache.cas("page:1", item.value + more, item.cas!!, 1.minutes)) {
                Stored -> println("changed")
                Exists -> println("somebody else changed it")
                NotFound -> println("it is gone")
                NotStored -> error("only add, replace, append and prepend say this")
            }
        }
        assertEquals("changed\n", printed.toString())
    }

    @Test
    fun `several keys`() {
        Client(address).use { cache ->
            cache.setMulti(mapOf("user:1" to "Ada", "user:3" to "Charles"))
            val users = cache.getMulti<String>(listOf("user:1", "user:2", "user:3"))
            users.forEach { (key, name) -> println("$key is $name") }
            users.errors.forEach { (key, error) -> println("$key got no answer from ${error.server}: ${error.message}") }
        }
        assertEquals("user:1 is Ada\nuser:3 is Charles\n", printed.toString())
    }

    @Test
    fun failures() {
        fun load(key: String) = "loaded $key"
        fun log(line: String) = println(line)
        Client("127.0.0.1:1").use { cache ->
            val profile = try {
                cache.withTimeout(50.milliseconds).get<String>("profile:1") ?: load("profile:1")
            } catch (e: CacheException) {
                log("cache: ${e.message}, in phase ${e.phase}")
                load("profile:1")
            }
            assertEquals("loaded profile:1", profile)
        }
    }

    suspend fun user(cache: Client, id: Int): String? = withContext(Dispatchers.IO) { cache.get("user:$id") }

    @Test
    fun coroutines() {
        Client(address).use { cache ->
            cache.set("user:9", "Grace")
            runBlocking { assertEquals("Grace", user(cache, 9)) }
        }
    }
}
