package io.github.cmemcache.example

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.StoreOutcome
import io.github.cmemcache.StringClient
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.measureTime

@Serializable
data class Order(val id: Long, val customer: String, val lines: List<Line>, val paid: Boolean = false)

@Serializable
data class Line(val article: String, val count: Int, val price: Double)

/** Shows the library at work on the memcached of MEMCACHED=host:port, or on one of its own. */
fun main() {
    val given = System.getenv("MEMCACHED")
    if (given != null) {
        demo(given)
        return
    }
    OwnMemcached().use { server ->
        demo(server.address)
        survive(server)
    }
}

/** Everything that needs no more than one server. */
fun demo(address: String) {
    Client(address).use { cache ->
        println("A client of memcached ${cache.version().single().reply} on $address\n")
        objects(cache)
        together(cache)
        shared(cache, address)
        speed(address)
    }
}

private fun objects(cache: Client) {
    println("Objects, stored in forms that every language reads")
    cache.set("demo:greeting", "grüß Gott", 5.minutes)
    show("a string", cache.get<String>("demo:greeting"))
    cache.set("demo:answer", 42)
    show("a number", cache.get<Int>("demo:answer"))
    show("counted up", cache.incr("demo:answer", 8))
    cache.set("demo:primes", listOf(2, 3, 5, 7, 11))
    show("a list", cache.get<List<Int>>("demo:primes"))
    cache.set("demo:order", Order(17, "Ada", listOf(Line("tea", 2, 3.5))), 5.minutes)
    show("a class", cache.get<Order>("demo:order"))
    val large = List(10_000) { Line("article $it", it, it / 4.0) }
    cache.set("demo:large", large)
    show("a large object", "${cache.get<List<Line>>("demo:large")?.size} lines, the same: ${cache.get<List<Line>>("demo:large") == large}")
    show("a miss", cache.get<String>("demo:nothing"))
}

private fun together(cache: Client) {
    println("\nSeveral at once, and changes that lose nothing")
    cache.setMulti((1..100).associate { "demo:user:$it" to "user number $it" }, 5.minutes)
    val users = cache.getMulti<String>((1..101).map { "demo:user:$it" })
    show("101 keys in one call", "${users.size} hits, ${users.errors.size} errors")
    val order = checkNotNull(cache.gets<Order>("demo:order"))
    show("cas", cache.cas("demo:order", order.value.copy(paid = true), order.cas))
    val again = cache.cas("demo:order", order.value, order.cas)
    show("cas with an old token", if (again == StoreOutcome.Exists) "$again: somebody changed it" else again)
    show("what they stored", cache.get<Order>("demo:order")?.paid)
}

private fun shared(cache: Client, address: String) {
    println("\nWhat lies in the cache")
    StringClient(address).use { raw ->
        for (key in listOf("demo:greeting", "demo:answer", "demo:order")) {
            val item = checkNotNull(raw.get(key))
            show(key, "flags ${item.flags}: ${item.text}")
        }
        raw.set("demo:pickle", byteArrayOf(-128, 4, 78, 46), flags = 1)
    }
    try {
        cache.get<Any>("demo:pickle")
    } catch (e: CacheException) {
        show("of another language", e.message)
    }
}

private fun speed(address: String) {
    StringClient(address).use { cache ->
        cache.set("demo:speed", ByteArray(100))
        repeat(20_000) { cache.get("demo:speed") }
        val rounds = 20_000
        val took = measureTime { repeat(rounds) { cache.get("demo:speed") } }
        println("\nOne get after another: ${took / rounds} each")
    }
}

/** A server that is killed and comes back is used again by the same client. */
private fun survive(server: OwnMemcached) {
    println("\nA server that dies and comes back")
    Client(server.address, options = ClientOptions(deadRetry = 200.milliseconds)).use { cache ->
        cache.set("demo:k", "before")
        server.kill()
        try {
            cache.get<String>("demo:k")
        } catch (e: CacheException) {
            show(e.javaClass.simpleName, e.message)
        }
        server.start()
        Thread.sleep(500)
        show("started again", cache.set("demo:k", "after"))
        show("read", cache.get<String>("demo:k"))
    }
}

private fun show(what: String, value: Any?) = println("  ${what.padEnd(22)} $value")
