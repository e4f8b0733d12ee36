package io.github.cmemcache.tests

import io.github.cmemcache.CacheException
import io.github.cmemcache.Client
import io.github.cmemcache.ClosedException
import io.github.cmemcache.DisconnectedException
import io.github.cmemcache.ServerDownException
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.StringClient
import io.github.cmemcache.TimeoutException
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicLong
import java.util.concurrent.atomic.AtomicReference
import java.util.concurrent.atomic.AtomicReferenceArray
import kotlin.concurrent.thread
import kotlin.random.Random
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

private const val THREADS = 8
private const val KEYS = 40
private const val OPERATIONS = 100_000L
private const val ROUNDS = 12
private val DEADLINE = 3.seconds
private val SLACK = 5.seconds
private val PADDING = intArrayOf(0, 1, 100, 100, 1_000, 15_000, 17_000, 70_000)

/** What the threads of a hunt do to a cache; null as deadline is the client's own. */
private interface Cache {
    fun read(key: String, deadline: Duration?): String?

    fun readMulti(keys: List<String>, deadline: Duration?): Pair<Map<String, String>, Collection<CacheException>>

    fun write(key: String, value: String)
}

private class Bytes(val client: StringClient) : Cache {
    private fun within(deadline: Duration?) = deadline?.let { client.withTimeout(it) } ?: client

    override fun read(key: String, deadline: Duration?) = within(deadline).get(key)?.text

    override fun readMulti(keys: List<String>, deadline: Duration?) =
        within(deadline).getMulti(keys).let { read -> read.mapValues { it.value.text } to read.errors.values }

    override fun write(key: String, value: String) {
        client.set(key, value)
    }
}

private class Objects(val client: Client) : Cache {
    private fun within(deadline: Duration?) = deadline?.let { client.withTimeout(it) } ?: client

    override fun read(key: String, deadline: Duration?) = within(deadline).get<String>(key)

    override fun readMulti(keys: List<String>, deadline: Duration?) =
        within(deadline).getMulti<String>(keys).let { it to it.errors.values }

    override fun write(key: String, value: String) {
        client.set(key, value)
    }
}

/** As wrong as a wrapper whose threads share the memory of their replies. */
private class Shared(private val right: Cache) : Cache by right {
    @Volatile
    private var reply: String? = null

    override fun read(key: String, deadline: Duration?): String? {
        reply = right.read(key, deadline)
        Thread.yield()
        return reply
    }
}

/** A key that one thread writes. What is read was written at or after [stored], as seen before, and by [written], as seen after. */
private class Cell(val key: String) {
    @Volatile
    var stored = 0L

    @Volatile
    var written = 0L

    /** Key and number, and padding that follows from the number. */
    fun value(number: Long): String = "$key $number " + ('a' + (number % 26).toInt()).toString().repeat(PADDING[(number % 8).toInt()])
}

/** Threads that look for what is not theirs; [mortal] is the server that is killed meanwhile. */
private class Hunt(private val strings: Cache, private val objects: Cache, private val mortal: String, private val passing: () -> Cache) {
    private val cells = AtomicReferenceArray<Cell>(Array(THREADS * KEYS) { Cell("cell:$it") })
    private val operations = AtomicLong()
    private val tally = ConcurrentHashMap<String, AtomicLong>()
    private val kept = arrayOfNulls<Cache>(THREADS)
    val findings = ConcurrentLinkedQueue<String>()

    @Volatile
    var troubleIsOver = false

    fun count(what: String): Long = tally[what]?.get() ?: 0

    override fun toString() = "$operations operations: ${tally.toSortedMap()}, findings: ${findings.size}"

    fun note(what: String) {
        tally.computeIfAbsent(what) { AtomicLong() }.incrementAndGet()
    }

    fun work(number: Int) {
        val chance = Random(number)
        try {
            while (findings.isEmpty() && !(troubleIsOver && operations.get() >= OPERATIONS)) {
                operate(number, chance)
                if (chance.nextInt(50) == 0 && Thread.interrupted()) note("interrupts")
            }
        } catch (e: Throwable) {
            findings += e.stackTraceToString()
        }
    }

    /** One to eight operations. Every second key holds objects. */
    private fun operate(number: Int, chance: Random) {
        val parity = chance.nextInt(2)
        val cache = if (parity == 0) strings else objects
        if (chance.nextInt(10) < 3) {
            timed(DEADLINE) { write(cache, number * KEYS + chance.nextInt(KEYS / 2) * 2 + parity) }
            return
        }
        val read = List(if (chance.nextInt(3) == 0) 8 else 1) { cells[chance.nextInt(cells.length() / 2) * 2 + parity] }
        val deadline = if (chance.nextInt(8) == 0) chance.nextInt(1, 5).milliseconds else null
        // The client that others close holds strings of bytes.
        val closes = parity == 0 && chance.nextInt(8) == 0
        timed(deadline ?: DEADLINE, closes) {
            if (closes) readWhilePassing(number, read.distinct(), deadline) else read(cache, read.distinct(), deadline)
        }
    }

    /** Through a client that is kept until it turns out to be closed. */
    private fun readWhilePassing(number: Int, read: List<Cell>, deadline: Duration?) {
        val cache = kept[number] ?: passing().also { kept[number] = it }
        try {
            read(cache, read, deadline, closes = true)
        } catch (e: ClosedException) {
            kept[number] = null
            throw e
        }
    }

    private fun write(cache: Cache, at: Int) {
        val cell = cells[at]
        val number = cell.written + 1
        cell.written = number
        operations.incrementAndGet()
        try {
            cache.write(cell.key, cell.value(number))
            cell.stored = number
            note("writes")
        } catch (e: CacheException) {
            // The server may carry it out after the writes that follow: those go to another key.
            cells[at] = Cell("${cell.key}'")
            throw e
        }
    }

    private fun read(cache: Cache, read: List<Cell>, deadline: Duration?, closes: Boolean = false) {
        val stored = read.map { it.stored }
        operations.addAndGet(read.size.toLong())
        if (read.size == 1) {
            look(read[0], stored[0], cache.read(read[0].key, deadline))
            return
        }
        val (values, errors) = cache.readMulti(read.map { it.key }, deadline)
        errors.forEach { expect(it, closes) }
        read.forEachIndexed { at, cell -> look(cell, stored[at], values[cell.key]) }
    }

    private fun look(cell: Cell, stored: Long, value: String?) {
        note(if (value == null) "misses" else "hits")
        if (value == null) return
        val number = value.split(" ").getOrNull(1)?.toLongOrNull() ?: -1
        if (number < 0 || value != cell.value(number)) {
            findings += "foreign: ${cell.key} read ${value.take(60)}, ${value.length} characters"
        } else if (number !in stored..cell.written) {
            findings += "stale: ${cell.key} read number $number, not one of $stored to ${cell.written}"
        }
    }

    private fun timed(deadline: Duration, closes: Boolean = false, call: () -> Unit) {
        val begun = TimeSource.Monotonic.markNow()
        try {
            call()
        } catch (e: CacheException) {
            expect(e, closes)
        }
        val took = begun.elapsedNow()
        if (took > deadline + SLACK) findings += "late: a call of $deadline took $took"
    }

    /** Deadlines pass anywhere; only the server that is killed goes away, and only the client that is closed is closed. */
    private fun expect(error: CacheException, closes: Boolean) {
        note(error.javaClass.simpleName)
        val isCaused = when (error) {
            is TimeoutException -> true
            is ServerDownException, is DisconnectedException -> error.server == mortal
            is ClosedException -> closes
            else -> false
        }
        if (!isCaused) findings += "unexpected: $error"
    }
}

class HuntTest {
    private fun options() = PATIENT.copy(timeout = DEADLINE, deadRetry = 100.milliseconds, failureLimit = 1000)

    private fun <R> hunting(wrap: (Cache) -> Cache = { it }, test: (Hunt) -> R): R = Memcached().use { steady ->
        Memcached().use { mortal ->
            val servers = listOf(ServerSpec(steady.address), ServerSpec(mortal.address))
            val passing = AtomicReference(StringClient(servers, options()))
            StringClient(servers, options()).use { strings ->
                Client(servers, options()).use { objects ->
                    val hunt = Hunt(wrap(Bytes(strings)), wrap(Objects(objects)), mortal.address) { Bytes(passing.get()) }
                    val threads = List(THREADS) { thread { hunt.work(it) } }
                    repeat(ROUNDS) { round ->
                        repeat(20) {
                            threads.random().interrupt()
                            Thread.sleep(5)
                        }
                        passing.getAndSet(StringClient(servers, options())).close()
                        hunt.note("closes")
                        if (round % 3 == 0) mortal.kill() else if (round % 3 == 1) mortal.restart()
                    }
                    hunt.troubleIsOver = true
                    threads.forEach { it.join(240_000) }
                    passing.get().close()
                    assertTrue(threads.none { it.isAlive }, "a thread hangs")
                    test(hunt)
                }
            }
        }
    }

    @Test
    @Timeout(300)
    fun `100 000 operations among interrupts, closes and restarts read nothing foreign or stale`() {
        val begun = TimeSource.Monotonic.markNow()
        hunting { hunt ->
            println("hunt: $hunt in ${begun.elapsedNow()}")
            assertEquals(emptyList(), hunt.findings.take(3))
            for (what in listOf("hits", "writes", "interrupts", "TimeoutException", "ServerDownException", "ClosedException")) {
                assertTrue(hunt.count(what) > 0, "no $what: $hunt")
            }
        }
    }

    @Test
    @Timeout(300)
    fun `the hunt notices a reply that threads share`() = hunting(::Shared) { hunt ->
        assertTrue(hunt.findings.any { it.startsWith("foreign") }, "$hunt")
    }
}
