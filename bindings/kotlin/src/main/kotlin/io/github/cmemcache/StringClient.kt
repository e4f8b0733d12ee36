package io.github.cmemcache

import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * A client whose values are strings of bytes with client flags: memcached as it is. [Client] stores objects.
 *
 * ```kotlin
 * StringClient("127.0.0.1:11211").use { cache ->
 *     cache.set("greeting", "hello", 5.minutes)
 *     println(cache.get("greeting")?.text)
 * }
 * ```
 */
public class StringClient private constructor(core: Core) : CacheClient(core) {
    /**
     * Makes a client of these servers.
     *
     * @throws InvalidArgumentException for an address, weight or option that is out of its range, naming it.
     * @throws NativeLibraryException if the native library is missing or of another version.
     */
    @JvmOverloads
    public constructor(servers: List<ServerSpec>, options: ClientOptions = ClientOptions()) : this(Core.open(servers, options))

    /** Makes a client of servers at these addresses, each of weight 1; see [ServerSpec.address] for their form. */
    @JvmOverloads
    public constructor(vararg servers: String, options: ClientOptions = ClientOptions()) : this(ServerSpec.listOf(*servers), options)

    /**
     * This client with another deadline, 1 ms to 1 h, for single calls: `cache.withTimeout(50.milliseconds).get(key)`. Servers,
     * connections and metrics are shared; closing one closes both.
     */
    public fun withTimeout(timeout: Duration): StringClient = StringClient(core.withTimeout(timeout))

    /** As `withTimeout` with a time of Kotlin. */
    public fun withTimeout(timeout: java.time.Duration): StringClient = withTimeout(timeout.toKotlinDuration())

    /** Reads a value; null on a miss. */
    public fun get(key: String): Item? = core.get(GET, key)

    /** Reads a value and its cas token; null on a miss. */
    public fun gets(key: String): Item? = core.get(GETS, key)

    /** Reads a value and gives it a new expiry; null on a miss. */
    public fun getAndTouch(key: String, expiry: Duration): Item? = core.getAndTouch(GAT, key, expiry.toExptime())

    /** Reads a value and gives it a new expiry; null on a miss. */
    public fun getAndTouch(key: String, expiry: java.time.Duration?): Item? = core.getAndTouch(GAT, key, expiry.toExptime())

    /** Reads a value and its cas token and gives it a new expiry; null on a miss. */
    public fun getsAndTouch(key: String, expiry: Duration): Item? = core.getAndTouch(GATS, key, expiry.toExptime())

    /** Reads a value and its cas token and gives it a new expiry; null on a miss. */
    public fun getsAndTouch(key: String, expiry: java.time.Duration?): Item? = core.getAndTouch(GATS, key, expiry.toExptime())

    /** Reads many values at once, all servers at the same time. Misses are not in the result. */
    public fun getMulti(keys: Collection<String>): MultiResult<Item> = core.getMulti(GET_MULTI, keys.toList())

    /** Reads many values and their cas tokens at once. Misses are not in the result. */
    public fun getsMulti(keys: Collection<String>): MultiResult<Item> = core.getMulti(GETS_MULTI, keys.toList())

    /** Stores bytes, whatever is there. A value that the server refuses as too large also removes the old item. */
    public fun set(key: String, value: ByteArray, expiry: Duration, flags: Int = 0): StoreOutcome =
        core.store(SET, key, value, flags, expiry.toExptime())

    /** Stores bytes, whatever is there. A value that the server refuses as too large also removes the old item. */
    @JvmOverloads
    public fun set(key: String, value: ByteArray, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        core.store(SET, key, value, flags, expiry.toExptime())

    /** Stores text as UTF-8, whatever is there. */
    public fun set(key: String, value: String, expiry: Duration, flags: Int = 0): StoreOutcome =
        set(key, utf8(value), expiry, flags)

    /** Stores text as UTF-8, whatever is there. */
    @JvmOverloads
    public fun set(key: String, value: String, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        set(key, utf8(value), expiry, flags)

    /** Stores bytes if there is no item yet; `NotStored` otherwise. */
    public fun add(key: String, value: ByteArray, expiry: Duration, flags: Int = 0): StoreOutcome =
        core.store(ADD, key, value, flags, expiry.toExptime())

    /** Stores bytes if there is no item yet; `NotStored` otherwise. */
    @JvmOverloads
    public fun add(key: String, value: ByteArray, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        core.store(ADD, key, value, flags, expiry.toExptime())

    /** Stores text as UTF-8 if there is no item yet; `NotStored` otherwise. */
    public fun add(key: String, value: String, expiry: Duration, flags: Int = 0): StoreOutcome =
        add(key, utf8(value), expiry, flags)

    /** Stores text as UTF-8 if there is no item yet; `NotStored` otherwise. */
    @JvmOverloads
    public fun add(key: String, value: String, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        add(key, utf8(value), expiry, flags)

    /** Stores bytes if there is an item; `NotStored` otherwise. */
    public fun replace(key: String, value: ByteArray, expiry: Duration, flags: Int = 0): StoreOutcome =
        core.store(REPLACE, key, value, flags, expiry.toExptime())

    /** Stores bytes if there is an item; `NotStored` otherwise. */
    @JvmOverloads
    public fun replace(key: String, value: ByteArray, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        core.store(REPLACE, key, value, flags, expiry.toExptime())

    /** Stores text as UTF-8 if there is an item; `NotStored` otherwise. */
    public fun replace(key: String, value: String, expiry: Duration, flags: Int = 0): StoreOutcome =
        replace(key, utf8(value), expiry, flags)

    /** Stores text as UTF-8 if there is an item; `NotStored` otherwise. */
    @JvmOverloads
    public fun replace(key: String, value: String, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        replace(key, utf8(value), expiry, flags)

    /** Stores bytes if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`. */
    public fun cas(key: String, value: ByteArray, cas: Long, expiry: Duration, flags: Int = 0): StoreOutcome =
        core.cas(key, value, cas, flags, expiry.toExptime())

    /** Stores bytes if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`. */
    @JvmOverloads
    public fun cas(key: String, value: ByteArray, cas: Long, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        core.cas(key, value, cas, flags, expiry.toExptime())

    /** Stores text as UTF-8 if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`. */
    public fun cas(key: String, value: String, cas: Long, expiry: Duration, flags: Int = 0): StoreOutcome =
        cas(key, utf8(value), cas, expiry, flags)

    /** Stores text as UTF-8 if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`. */
    @JvmOverloads
    public fun cas(key: String, value: String, cas: Long, expiry: java.time.Duration? = null, flags: Int = 0): StoreOutcome =
        cas(key, utf8(value), cas, expiry, flags)

    /** Stores many values at once, all servers at the same time. */
    public fun setMulti(entries: Map<String, ByteArray>, expiry: Duration, flags: Int = 0): MultiResult<StoreOutcome> =
        setMulti(entries, flags, expiry.toExptime())

    /** Stores many values at once, all servers at the same time. */
    @JvmOverloads
    public fun setMulti(entries: Map<String, ByteArray>, expiry: java.time.Duration? = null, flags: Int = 0): MultiResult<StoreOutcome> =
        setMulti(entries, flags, expiry.toExptime())

    private fun setMulti(entries: Map<String, ByteArray>, flags: Int, exptime: Long): MultiResult<StoreOutcome> {
        val snapshot = entries.toList()
        return core.setMulti(snapshot.map { it.first }, snapshot.map { Encoded(it.second, flags) }, exptime)
    }
}
