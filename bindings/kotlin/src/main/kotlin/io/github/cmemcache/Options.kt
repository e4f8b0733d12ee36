package io.github.cmemcache

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toKotlinDuration

/** Which protocol to speak. */
public enum class WireProtocol {
    /** Ask each server on each new connection: meta from memcached 1.6.18 on, classic otherwise. */
    AUTO,

    /** Meta, without asking. */
    META,

    /** Classic, without asking. */
    CLASSIC,
}

/** How a key chooses its server. */
public enum class Placement {
    /** python-memcached's: crc32 of the key modulo the servers, each counted by its weight. The default. */
    MODULO,

    /** libmemcached's default: one-at-a-time hash modulo the servers; weights are ignored. */
    MODULA,

    /** libmemcached's `KETAMA`: 100 points per server, hashed one-at-a-time; weights are ignored. */
    KETAMA,

    /** libmemcached's `KETAMA_WEIGHTED`: about 160 MD5 points per server and weight. */
    KETAMA_WEIGHTED,

    /** Highest random weight, murmur3 of `host:port-key`, as pymemcache's HashClient; weights are ignored. */
    RENDEZVOUS,
}

/** What becomes of a key whose server is down. */
public enum class Failover {
    /** The call fails with [ServerDownException]. Never reads a stale copy. The default. */
    FAIL_FAST,

    /** Another server is tried, as python-memcached does. A server that flaps can leave stale copies behind. */
    REHASH,
}

/** How a call waits for a reply: polling briefly before it sleeps saves the cost of waking up. */
public sealed interface Spin {
    /** Poll only while that has paid lately and a processor is to spare. The default. */
    public data object Auto : Spin

    /** Always sleep. */
    public data object Off : Spin

    /**
     * Poll for a fixed time before every sleep.
     *
     * @property microseconds that time, 0 to 1000.
     */
    public data class Fixed(val microseconds: Int) : Spin
}

/** How the characters of a key become its bytes. */
public enum class KeyCharset {
    /** UTF-8, as the other languages' clients encode text. */
    UTF_8,

    /** ISO 8859-1, one byte per character up to U+00FF: with it every string of bytes can be a key, given `binaryKeys`. */
    LATIN_1,
}

/**
 * A server and its share of the keys.
 *
 * @property address `host`, `host:port`, `inet:host:port`, `inet6:[address]:port`, `[address]:port` or `unix:/path`; the default
 *   port is 11211.
 * @property weight how many shares of the keys it takes, 1 to 10000; used by [Placement.MODULO] and [Placement.KETAMA_WEIGHTED].
 */
public data class ServerSpec @JvmOverloads constructor(val address: String, val weight: Int = 1) {
    /** Makes lists of servers. */
    public companion object {
        /** Servers of weight 1 at these addresses. */
        @JvmStatic
        public fun listOf(vararg addresses: String): List<ServerSpec> = addresses.map { ServerSpec(it) }
    }
}

/**
 * Options of a client. Every one has a default that suits a server in the same network. Java uses [builder].
 *
 * @property protocol which protocol to speak.
 * @property placement how a key chooses its server.
 * @property failover what becomes of a key whose server is down.
 * @property timeout deadline of a whole call, 1 ms to 1 h: queueing, connecting, retries and failover included.
 * @property connectTimeout longest time for one attempt to connect, 1 ms to 1 h; never beyond the call's deadline.
 * @property deadRetry longest time, up to 1 h, for which a failed server is left alone before it is probed again.
 * @property failureLimit how many timeouts in a row put a server down, 1 to 1000.
 * @property maxConnections most connections per server, 1 to 1024, each opened when it is needed. When more callers than that are
 *   under way, small requests travel together on a few of them, and other callers wait within their deadline.
 * @property maxValueSize largest value in bytes that is sent; 0 leaves the limit to the server, up to 1 GiB.
 * @property keyPrefix put in front of every key, before it is hashed and sent.
 * @property keyCharset how the characters of a key become its bytes.
 * @property binaryKeys keys are any bytes, sent as base64: needs the meta protocol.
 * @property flushOnReconnect empty a server (flush_all) on the first connection after it was down, so that it serves nothing stale.
 * @property spin how a call waits for a reply.
 * @property tls how connections are secured; not at all when null. A server that does not speak TLS is an error, never spoken to in
 *   plain.
 * @property user the user for servers that ask for one (memcached's `-Y`). Goes with `password`; the two are sent once on each
 *   connection, only to servers that refuse to serve without.
 * @property password the password of `user`. Both together are at most 254 bytes, without spaces and control characters.
 */
public data class ClientOptions(
    val protocol: WireProtocol = WireProtocol.AUTO,
    val placement: Placement = Placement.MODULO,
    val failover: Failover = Failover.FAIL_FAST,
    val timeout: Duration = 1.seconds,
    val connectTimeout: Duration = 250.milliseconds,
    val deadRetry: Duration = 30.seconds,
    val failureLimit: Int = 3,
    val maxConnections: Int = 8,
    val maxValueSize: Long = 1L shl 20,
    val keyPrefix: String = "",
    val keyCharset: KeyCharset = KeyCharset.UTF_8,
    val binaryKeys: Boolean = false,
    val flushOnReconnect: Boolean = false,
    val spin: Spin = Spin.Auto,
    val tls: TlsOptions? = null,
    val user: String? = null,
    val password: Password? = null,
) {
    /** Sets options one by one, for Java. What is not set keeps its default. */
    public class Builder internal constructor() {
        private var options = ClientOptions()

        /** See [ClientOptions.protocol]. */
        public fun protocol(protocol: WireProtocol): Builder = with { copy(protocol = protocol) }

        /** See [ClientOptions.placement]. */
        public fun placement(placement: Placement): Builder = with { copy(placement = placement) }

        /** See [ClientOptions.failover]. */
        public fun failover(failover: Failover): Builder = with { copy(failover = failover) }

        /** See [ClientOptions.timeout]. */
        public fun timeout(timeout: java.time.Duration): Builder = with { copy(timeout = timeout.toKotlinDuration()) }

        /** See [ClientOptions.connectTimeout]. */
        public fun connectTimeout(timeout: java.time.Duration): Builder = with { copy(connectTimeout = timeout.toKotlinDuration()) }

        /** See [ClientOptions.deadRetry]. */
        public fun deadRetry(time: java.time.Duration): Builder = with { copy(deadRetry = time.toKotlinDuration()) }

        /** See [ClientOptions.failureLimit]. */
        public fun failureLimit(timeouts: Int): Builder = with { copy(failureLimit = timeouts) }

        /** See [ClientOptions.maxConnections]. */
        public fun maxConnections(connections: Int): Builder = with { copy(maxConnections = connections) }

        /** See [ClientOptions.maxValueSize]. */
        public fun maxValueSize(bytes: Long): Builder = with { copy(maxValueSize = bytes) }

        /** See [ClientOptions.keyPrefix]. */
        public fun keyPrefix(prefix: String): Builder = with { copy(keyPrefix = prefix) }

        /** See [ClientOptions.keyCharset]. */
        public fun keyCharset(charset: KeyCharset): Builder = with { copy(keyCharset = charset) }

        /** See [ClientOptions.binaryKeys]. */
        public fun binaryKeys(binary: Boolean): Builder = with { copy(binaryKeys = binary) }

        /** See [ClientOptions.flushOnReconnect]. */
        public fun flushOnReconnect(flush: Boolean): Builder = with { copy(flushOnReconnect = flush) }

        /** See [ClientOptions.spin]. */
        public fun spin(spin: Spin): Builder = with { copy(spin = spin) }

        /** See [ClientOptions.tls]. */
        public fun tls(tls: TlsOptions): Builder = with { copy(tls = tls) }

        /** See [ClientOptions.user]. */
        public fun user(user: String): Builder = with { copy(user = user) }

        /** See [ClientOptions.password]. */
        public fun password(password: String): Builder = with { copy(password = Password(password)) }

        /** The options. Ranges are checked when a client is made with them. */
        public fun build(): ClientOptions = options

        private inline fun with(change: ClientOptions.() -> ClientOptions): Builder {
            options = options.change()
            return this
        }
    }

    /** Makes builders. */
    public companion object {
        /** Starts with the default of every option. */
        @JvmStatic
        public fun builder(): Builder = Builder()
    }
}
