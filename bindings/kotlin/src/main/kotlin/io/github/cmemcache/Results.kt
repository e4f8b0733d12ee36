package io.github.cmemcache

/**
 * A value as memcached holds it.
 *
 * @property value the bytes.
 * @property flags the client flags stored with them.
 * @property cas the item's token for a later `cas`: 64 bits; null unless the item was read by `gets`, `getsMulti` or `getsAndTouch`.
 */
public class Item(public val value: ByteArray, public val flags: Int, public val cas: Long?) {
    /** The bytes as UTF-8 text; what is no UTF-8 becomes U+FFFD. */
    public val text: String
        get() = value.decodeToString()

    override fun toString(): String = "Item(${value.size} bytes, flags=${flags.toUInt()}, cas=${cas?.toULong()})"
}

/**
 * An object and the token by which `cas` stores its successor only if nobody changed it meanwhile.
 *
 * @property value the object.
 * @property cas the token: 64 bits.
 */
public data class Versioned<out T>(public val value: T, public val cas: Long)

/** What memcached did with a value it was asked to store. */
public sealed interface StoreOutcome {
    /** Whether the value is stored now. */
    public val isStored: Boolean
        get() = this === Stored

    /** It is stored. */
    public data object Stored : StoreOutcome

    /** The condition of add, replace, append or prepend did not hold. */
    public data object NotStored : StoreOutcome

    /** cas: the item was changed since its token was read. */
    public data object Exists : StoreOutcome

    /** cas: there is no such item. */
    public data object NotFound : StoreOutcome
}

/**
 * The results of a batch by key, in the order of the keys: a map of the keys that were answered.
 *
 * A key that got no answer is in [errors], never silently missing: a server that is down costs its own keys only. Of
 * `getMulti` the keys that are in neither are misses. A key given twice counts once.
 *
 * @property errors the keys that got no answer, each with the reason.
 */
public class MultiResult<out R> internal constructor(
    private val answers: Map<String, R>,
    public val errors: Map<String, CacheException>,
) : Map<String, R> by answers {
    /** The answers, if every key got one; otherwise throws the first of [errors]. */
    public fun orThrow(): Map<String, R> {
        errors.values.firstOrNull()?.let { throw it }
        return answers
    }

    override fun equals(other: Any?): Boolean = answers == (if (other is MultiResult<*>) other.answers else other)

    override fun hashCode(): Int = answers.hashCode()

    override fun toString(): String = if (errors.isEmpty()) "$answers" else "$answers, errors=$errors"
}

/**
 * One server's part of flushAll, version or verbosity.
 *
 * @property server the server, as `host:port` or `unix:/path`.
 * @property reply what it answered: its version, or `OK`; null on an error.
 * @property error the error; null when the server answered.
 */
public data class ServerReply(val server: String, val reply: String?, val error: CacheException?)

/**
 * One server's statistics.
 *
 * @property server the server, as `host:port` or `unix:/path`.
 * @property weight its weight.
 * @property stats name and value of each statistic; empty on an error.
 * @property error the error; null when the server answered.
 */
public data class ServerStats(val server: String, val weight: Int, val stats: Map<String, String>, val error: CacheException?)

/**
 * What memcached knows of an item, without its value.
 *
 * @property ttlSeconds seconds until it expires; null if it never does.
 * @property idleSeconds seconds since it was last read or written.
 * @property cas its cas token.
 * @property fetched whether it was read since it was stored.
 * @property slabClass the slab class it lives in.
 * @property size bytes it takes in the server, header and key included.
 */
public data class ItemMetadata(
    val ttlSeconds: Long?,
    val idleSeconds: Long,
    val cas: Long,
    val fetched: Boolean,
    val slabClass: Int,
    val size: Long,
)

/** How a client sees a server. */
public enum class ServerState {
    /** It is used. */
    UP,

    /** It failed lately and is used still. */
    SUSPECT,

    /** It is left alone until its next probe. */
    DOWN,
}

/**
 * What a client counted for one server since it was made. Counters never fall.
 *
 * @property server the server, as `host:port` or `unix:/path`.
 * @property weight its weight.
 * @property state how the client sees it now.
 * @property downForMillis milliseconds until a server that is down is probed again, 0 otherwise.
 * @property operations requests answered; each key of a batch counts.
 * @property hits reads that found an item.
 * @property misses reads that found none.
 * @property connectErrors requests that failed to reach the server: refused, unreachable, no such name.
 * @property timeouts requests whose deadline passed.
 * @property disconnects requests that lost their connection.
 * @property protocolErrors requests that were answered with something that is not memcached's protocol.
 * @property serverErrors requests that the server answered with an error of its own.
 * @property connects connections opened, the first ones included.
 * @property bytesRead bytes received.
 * @property bytesWritten bytes sent.
 * @property connections connections open now.
 * @property inFlight requests under way now.
 */
public data class ServerMetrics(
    val server: String,
    val weight: Int,
    val state: ServerState,
    val downForMillis: Long,
    val operations: Long,
    val hits: Long,
    val misses: Long,
    val connectErrors: Long,
    val timeouts: Long,
    val disconnects: Long,
    val protocolErrors: Long,
    val serverErrors: Long,
    val connects: Long,
    val bytesRead: Long,
    val bytesWritten: Long,
    val connections: Int,
    val inFlight: Int,
)
