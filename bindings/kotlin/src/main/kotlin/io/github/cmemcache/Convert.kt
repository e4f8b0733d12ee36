package io.github.cmemcache

import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import io.github.cmemcache.ffi.CacheException as FfiException
import io.github.cmemcache.ffi.ClientOptions as FfiOptions
import io.github.cmemcache.ffi.Failover as FfiFailover
import io.github.cmemcache.ffi.ItemMetadata as FfiMetadata
import io.github.cmemcache.ffi.Password as FfiPassword
import io.github.cmemcache.ffi.Pem as FfiPem
import io.github.cmemcache.ffi.Placement as FfiPlacement
import io.github.cmemcache.ffi.ServerMetrics as FfiMetrics
import io.github.cmemcache.ffi.ServerReply as FfiReply
import io.github.cmemcache.ffi.ServerSpec as FfiSpec
import io.github.cmemcache.ffi.ServerState as FfiState
import io.github.cmemcache.ffi.ServerStats as FfiStats
import io.github.cmemcache.ffi.Spin as FfiSpin
import io.github.cmemcache.ffi.TlsOptions as FfiTls
import io.github.cmemcache.ffi.WireProtocol as FfiProtocol

private const val LONGEST_LIFETIME_SECONDS = 999_999_999L

/**
 * A lifetime as memcached's exptime: whole seconds, rounded up, since a part of a second must not become 0, "never". From 10^9
 * on memcached would read an absolute time.
 */
internal fun Duration.toExptime(): Long {
    if (this == Duration.INFINITE) return 0
    if (this <= Duration.ZERO) return -1
    val whole = inWholeSeconds
    val seconds = if (whole.seconds < this) whole + 1 else whole
    if (seconds > LONGEST_LIFETIME_SECONDS) {
        throw InvalidArgumentException("expiry of $this is over $LONGEST_LIFETIME_SECONDS s; Duration.INFINITE never expires")
    }
    return seconds
}

internal fun java.time.Duration?.toExptime(): Long {
    if (this == null) return 0
    if (isZero || isNegative) return -1
    val whole = if (nano == 0) seconds else seconds + 1
    if (whole > LONGEST_LIFETIME_SECONDS) {
        throw InvalidArgumentException("expiry of $this is over $LONGEST_LIFETIME_SECONDS s; null never expires")
    }
    return whole
}

/** Whole milliseconds, if they are a number that the library can be told; it checks the range. */
internal fun Duration.toMillis(name: String): Long {
    val millis = inWholeMilliseconds
    if (millis !in 0..UInt.MAX_VALUE.toLong()) throw InvalidArgumentException("$name of $this is not in 1 ms to 1 h")
    return millis
}

private fun Int.unsigned(name: String, range: String): UInt =
    if (this < 0) throw InvalidArgumentException("$name of $this is not in $range") else toUInt()

internal fun ServerSpec.toFfi(): FfiSpec = FfiSpec(address, weight.unsigned("weight", "1 to 10000"))

internal fun ClientOptions.toFfi(): FfiOptions {
    if (maxValueSize < 0) throw InvalidArgumentException("maxValueSize of $maxValueSize is not in 0 to 1073741824")
    return FfiOptions(
        protocol = when (protocol) {
            WireProtocol.AUTO -> FfiProtocol.AUTO
            WireProtocol.META -> FfiProtocol.META
            WireProtocol.CLASSIC -> FfiProtocol.CLASSIC
        },
        placement = when (placement) {
            Placement.MODULO -> FfiPlacement.MODULO
            Placement.MODULA -> FfiPlacement.MODULA
            Placement.KETAMA -> FfiPlacement.KETAMA
            Placement.KETAMA_WEIGHTED -> FfiPlacement.KETAMA_WEIGHTED
            Placement.RENDEZVOUS -> FfiPlacement.RENDEZVOUS
        },
        failover = when (failover) {
            Failover.FAIL_FAST -> FfiFailover.FAIL_FAST
            Failover.REHASH -> FfiFailover.REHASH
        },
        timeoutMs = timeout.toMillis("timeout").toUInt(),
        connectTimeoutMs = connectTimeout.toMillis("connectTimeout").toUInt(),
        deadRetryMs = deadRetry.toMillis("deadRetry").toUInt(),
        failureLimit = failureLimit.unsigned("failureLimit", "1 to 1000"),
        maxConnections = maxConnections.unsigned("maxConnections", "1 to 1024"),
        maxValueSize = maxValueSize.toULong(),
        keyPrefix = encodeKey(keyPrefix, keyCharset),
        binaryKeys = binaryKeys,
        flushOnReconnect = flushOnReconnect,
        spin = when (val spin = spin) {
            Spin.Auto -> FfiSpin.Auto
            Spin.Off -> FfiSpin.Off
            is Spin.Fixed -> FfiSpin.Fixed(spin.microseconds.unsigned("spin", "0 to 1000 microseconds"))
        },
        tls = tls?.toFfi(),
        user = user,
        password = password?.let { FfiPassword(it.text) },
    )
}

private fun TlsOptions.toFfi(): FfiTls =
    FfiTls(ca?.toFfi(), certificate?.toFfi(), key?.toFfi(), serverName, dangerAcceptAnyCertificate)

private fun Pem.toFfi(): FfiPem = if (path != null) FfiPem.file(path) else FfiPem.text(text ?: ByteArray(0))

internal fun FfiException.toPublic(): CacheException = when (this) {
    is FfiException.KeyTooLong -> KeyTooLongException(detail)
    is FfiException.KeyCharacter -> KeyCharacterException(detail)
    is FfiException.InvalidArgument -> InvalidArgumentException(detail)
    is FfiException.ValueTooLarge -> ValueTooLargeException(detail, server)
    is FfiException.NoServers -> NoServersException(detail)
    is FfiException.Closed -> ClosedException(detail)
    is FfiException.ServerDown -> ServerDownException(detail, server, phase(phase))
    is FfiException.Timeout -> TimeoutException(detail, server, phase(phase), outcomeUnknown)
    is FfiException.Disconnected -> DisconnectedException(detail, server, phase(phase), outcomeUnknown)
    is FfiException.Protocol -> ProtocolException(detail, server, null, outcomeUnknown)
    is FfiException.ServerException -> ServerErrorException(detail, server)
    is FfiException.Auth -> AuthException(detail, server)
    is FfiException.Unsupported -> UnsupportedException(detail, server)
    is FfiException.NotNumeric -> NotNumericException(detail, server)
    is FfiException.Tls -> TlsException(detail, server, phase(phase), outcomeUnknown)
}

private fun phase(name: String?): Phase? = Phase.entries.firstOrNull { it.name.equals(name, ignoreCase = true) }

internal fun FfiReply.toPublic(): ServerReply = ServerReply(server, reply, error?.toPublic())

internal fun FfiStats.toPublic(): ServerStats = ServerStats(server, weight.toInt(), stats, error?.toPublic())

internal fun FfiMetadata.toPublic(): ItemMetadata =
    ItemMetadata(ttl, idle.toLong(), cas.toLong(), fetched, slabClass.toInt(), size.toLong())

internal fun FfiMetrics.toPublic(): ServerMetrics = ServerMetrics(
    server = server,
    weight = weight.toInt(),
    state = when (state) {
        FfiState.UP -> ServerState.UP
        FfiState.SUSPECT -> ServerState.SUSPECT
        FfiState.DOWN -> ServerState.DOWN
    },
    downForMillis = downForMs.toLong(),
    operations = operations.toLong(),
    hits = hits.toLong(),
    misses = misses.toLong(),
    connectErrors = connectErrors.toLong(),
    timeouts = timeouts.toLong(),
    disconnects = disconnects.toLong(),
    protocolErrors = protocolErrors.toLong(),
    serverErrors = serverErrors.toLong(),
    connects = connects.toLong(),
    bytesRead = bytesRead.toLong(),
    bytesWritten = bytesWritten.toLong(),
    connections = connections.toInt(),
    inFlight = inFlight.toInt(),
)
