package io.github.cmemcache

import kotlin.reflect.typeOf
import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * A client whose values are objects.
 *
 * Strings, byte arrays, numbers, booleans, lists, maps and `@Serializable` classes are stored in forms that every language
 * of this library reads (see [Flags]); what has no such form by Java serialization, if its class is on the allow-list of
 * [ValueOptions.javaClasses]. Other forms are [Dialect]s.
 *
 * ```kotlin
 * @Serializable
 * data class User(val name: String, val age: Int)
 *
 * Client("127.0.0.1:11211").use { cache ->
 *     cache.set("user:1", User("Ada", 36), 10.minutes)
 *     val user = cache.get<User>("user:1")
 * }
 * ```
 *
 * The type that is asked for is checked: another one is an [UndecodableValueException]. `Any` takes what is there: String,
 * ByteArray, Long, BigInteger, Double, Boolean, List, Map. Numbers become the number type asked for if it can hold them. A stored
 * null reads as null, like a miss.
 *
 * Kotlin passes types as type parameters; Java passes a `Class` to read, and stores by the class of the object.
 */
public class Client private constructor(private val codec: Codec, core: Core) : CacheClient(core) {
    /**
     * Makes a client of these servers.
     *
     * @throws InvalidArgumentException for an address, weight or option that is out of its range, naming it.
     * @throws NativeLibraryException if the native library is missing or of another version.
     */
    @JvmOverloads
    public constructor(
        servers: List<ServerSpec>,
        options: ClientOptions = ClientOptions(),
        values: ValueOptions = ValueOptions(),
    ) : this(codec(values, options), Core.open(servers, options))

    /** Makes a client of servers at these addresses, each of weight 1; see [ServerSpec.address] for their form. */
    @JvmOverloads
    public constructor(
        vararg servers: String,
        options: ClientOptions = ClientOptions(),
        values: ValueOptions = ValueOptions(),
    ) : this(ServerSpec.listOf(*servers), options, values)

    /**
     * This client with another deadline, 1 ms to 1 h, for single calls: `cache.withTimeout(50.milliseconds).get<User>(key)`.
     * Servers, connections and metrics are shared; closing one closes both.
     */
    public fun withTimeout(timeout: Duration): Client = Client(codec, core.withTimeout(timeout))

    /** As `withTimeout` with a time of Kotlin. */
    public fun withTimeout(timeout: java.time.Duration): Client = withTimeout(timeout.toKotlinDuration())

    /** Reads an object; null on a miss. */
    @JvmSynthetic
    public inline fun <reified T : Any> get(key: String): T? = read(key, valueType<T>())

    /** Reads an object of a class; null on a miss. */
    public fun <T : Any> get(key: String, type: Class<T>): T? = read(key, ValueType(type, null))

    /** Reads an object and its cas token; null on a miss. */
    @JvmSynthetic
    public inline fun <reified T : Any> gets(key: String): Versioned<T>? = readVersioned(key, valueType<T>())

    /** Reads an object of a class and its cas token; null on a miss. */
    public fun <T : Any> gets(key: String, type: Class<T>): Versioned<T>? = readVersioned(key, ValueType(type, null))

    /** Reads an object and gives it a new expiry; null on a miss. */
    @JvmSynthetic
    public inline fun <reified T : Any> getAndTouch(key: String, expiry: Duration): T? = readAndTouch(key, expiry, valueType<T>())

    /** Reads an object of a class and gives it a new expiry; null on a miss. */
    public fun <T : Any> getAndTouch(key: String, expiry: java.time.Duration?, type: Class<T>): T? =
        readAndTouch(key, expiry?.toKotlinDuration() ?: Duration.INFINITE, ValueType(type, null))

    /** Reads an object and its cas token and gives it a new expiry; null on a miss. */
    @JvmSynthetic
    public inline fun <reified T : Any> getsAndTouch(key: String, expiry: Duration): Versioned<T>? =
        readVersionedAndTouch(key, expiry, valueType<T>())

    /** Reads an object of a class and its cas token and gives it a new expiry; null on a miss. */
    public fun <T : Any> getsAndTouch(key: String, expiry: java.time.Duration?, type: Class<T>): Versioned<T>? =
        readVersionedAndTouch(key, expiry?.toKotlinDuration() ?: Duration.INFINITE, ValueType(type, null))

    /** Reads many objects at once, all servers at the same time. Misses are not in the result, undecodable values in its errors. */
    @JvmSynthetic
    public inline fun <reified T : Any> getMulti(keys: Collection<String>): MultiResult<T> = readMulti(keys, valueType<T>())

    /** Reads many objects of a class at once. Misses are not in the result, undecodable values in its errors. */
    public fun <T : Any> getMulti(keys: Collection<String>, type: Class<T>): MultiResult<T> = readMulti(keys, ValueType(type, null))

    /** Reads many objects and their cas tokens at once. Misses are not in the result, undecodable values in its errors. */
    @JvmSynthetic
    public inline fun <reified T : Any> getsMulti(keys: Collection<String>): MultiResult<Versioned<T>> =
        readMultiVersioned(keys, valueType<T>())

    /** Reads many objects of a class and their cas tokens. Misses are not in the result, undecodable values in its errors. */
    public fun <T : Any> getsMulti(keys: Collection<String>, type: Class<T>): MultiResult<Versioned<T>> =
        readMultiVersioned(keys, ValueType(type, null))

    /** Stores an object, whatever is there. A value that the server refuses as too large also removes the old item. */
    @JvmSynthetic
    public inline fun <reified T : Any> set(key: String, value: T?, expiry: Duration = Duration.INFINITE): StoreOutcome =
        store(SET, key, value, expiry, valueType<T>())

    /** Stores an object by its class at run time, whatever is there. Java calls it `set`. */
    @JvmOverloads
    @JvmName("set")
    public fun setObject(key: String, value: Any?, expiry: java.time.Duration? = null): StoreOutcome = storeObject(SET, key, value, expiry)

    /** Stores an object if there is no item yet; `NotStored` otherwise. */
    @JvmSynthetic
    public inline fun <reified T : Any> add(key: String, value: T?, expiry: Duration = Duration.INFINITE): StoreOutcome =
        store(ADD, key, value, expiry, valueType<T>())

    /** Stores an object by its class at run time if there is no item yet. Java calls it `add`. */
    @JvmOverloads
    @JvmName("add")
    public fun addObject(key: String, value: Any?, expiry: java.time.Duration? = null): StoreOutcome = storeObject(ADD, key, value, expiry)

    /** Stores an object if there is an item; `NotStored` otherwise. */
    @JvmSynthetic
    public inline fun <reified T : Any> replace(key: String, value: T?, expiry: Duration = Duration.INFINITE): StoreOutcome =
        store(REPLACE, key, value, expiry, valueType<T>())

    /** Stores an object by its class at run time if there is an item. Java calls it `replace`. */
    @JvmOverloads
    @JvmName("replace")
    public fun replaceObject(key: String, value: Any?, expiry: java.time.Duration? = null): StoreOutcome =
        storeObject(REPLACE, key, value, expiry)

    /** Stores an object if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`. */
    @JvmSynthetic
    public inline fun <reified T : Any> cas(key: String, value: T?, cas: Long, expiry: Duration = Duration.INFINITE): StoreOutcome =
        storeIfUnchanged(key, value, cas, expiry, valueType<T>())

    /** Stores an object by its class at run time if the item still has this cas token. Java calls it `cas`. */
    @JvmOverloads
    @JvmName("cas")
    public fun casObject(key: String, value: Any?, cas: Long, expiry: java.time.Duration? = null): StoreOutcome =
        storeIfUnchanged(key, value, cas, expiry?.toKotlinDuration() ?: Duration.INFINITE, ANY)

    /** Stores many objects at once, all servers at the same time. */
    @JvmSynthetic
    public inline fun <reified T : Any> setMulti(
        entries: Map<String, T?>,
        expiry: Duration = Duration.INFINITE,
    ): MultiResult<StoreOutcome> = storeMulti(entries, expiry, valueType<T>())

    /** Stores many objects by their classes at run time. Java calls it `setMulti`. */
    @JvmOverloads
    @JvmName("setMulti")
    public fun setMultiObjects(entries: Map<String, Any?>, expiry: java.time.Duration? = null): MultiResult<StoreOutcome> =
        storeMulti(entries, expiry?.toKotlinDuration() ?: Duration.INFINITE, ANY)

    @PublishedApi
    internal fun <T : Any> read(key: String, type: ValueType<T>): T? = core.get(GET, key)?.let { codec.decode(key, it, type) }

    @PublishedApi
    internal fun <T : Any> readVersioned(key: String, type: ValueType<T>): Versioned<T>? =
        core.get(GETS, key)?.let { versioned(key, it, type) }

    @PublishedApi
    internal fun <T : Any> readAndTouch(key: String, expiry: Duration, type: ValueType<T>): T? =
        core.getAndTouch(GAT, key, expiry.toExptime())?.let { codec.decode(key, it, type) }

    @PublishedApi
    internal fun <T : Any> readVersionedAndTouch(key: String, expiry: Duration, type: ValueType<T>): Versioned<T>? =
        core.getAndTouch(GATS, key, expiry.toExptime())?.let { versioned(key, it, type) }

    @PublishedApi
    internal fun <T : Any> readMulti(keys: Collection<String>, type: ValueType<T>): MultiResult<T> =
        decode(core.getMulti(GET_MULTI, keys.toList())) { key, item -> codec.decode(key, item, type) }

    @PublishedApi
    internal fun <T : Any> readMultiVersioned(keys: Collection<String>, type: ValueType<T>): MultiResult<Versioned<T>> =
        decode(core.getMulti(GETS_MULTI, keys.toList())) { key, item -> versioned(key, item, type) }

    @PublishedApi
    internal fun <T : Any> store(operation: Int, key: String, value: T?, expiry: Duration, type: ValueType<T>): StoreOutcome {
        val encoded = codec.encode(key, value, type)
        return core.store(operation, key, encoded.bytes, encoded.flags, expiry.toExptime())
    }

    @PublishedApi
    internal fun <T : Any> storeIfUnchanged(key: String, value: T?, cas: Long, expiry: Duration, type: ValueType<T>): StoreOutcome {
        val encoded = codec.encode(key, value, type)
        return core.cas(key, encoded.bytes, cas, encoded.flags, expiry.toExptime())
    }

    @PublishedApi
    internal fun <T : Any> storeMulti(entries: Map<String, T?>, expiry: Duration, type: ValueType<T>): MultiResult<StoreOutcome> {
        val snapshot = entries.toList()
        return core.setMulti(snapshot.map { it.first }, snapshot.map { (key, value) -> codec.encode(key, value, type) }, expiry.toExptime())
    }

    override fun refuseIfSigned(operation: String) {
        if (codec is SignedCodec) {
            throw UnsupportedException(
                "$operation would leave a value without its signature: a client with signingKeys cannot do it; use a client without, " +
                    "under other keys",
                null,
            )
        }
    }

    private fun storeObject(operation: Int, key: String, value: Any?, expiry: java.time.Duration?): StoreOutcome =
        store(operation, key, value, expiry?.toKotlinDuration() ?: Duration.INFINITE, ANY)

    private fun <T : Any> versioned(key: String, item: Item, type: ValueType<T>): Versioned<T>? =
        codec.decode(key, item, type)?.let { Versioned(it, item.cas!!) }

    /** Decodes what was read; a value that cannot be is its key's error. */
    private inline fun <T : Any> decode(items: MultiResult<Item>, decode: (String, Item) -> T?): MultiResult<T> {
        val values = LinkedHashMap<String, T>(items.size * 4 / 3 + 1)
        val errors = LinkedHashMap(items.errors)
        for ((key, item) in items) {
            try {
                decode(key, item)?.let { values[key] = it }
            } catch (e: CacheException) {
                errors[key] = e
            }
        }
        return MultiResult(values, errors)
    }

    @PublishedApi
    internal companion object {
        private val ANY = ValueType(Any::class.java, null)

        /** What `T` stands for at the place of the call. */
        @PublishedApi
        internal inline fun <reified T : Any> valueType(): ValueType<T> = ValueType(T::class.javaObjectType) { typeOf<T>() }
    }
}
