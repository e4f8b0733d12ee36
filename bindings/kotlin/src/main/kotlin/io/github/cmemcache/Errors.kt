package io.github.cmemcache

/** What a call was doing when it failed. */
public enum class Phase {
    /** Looking the server's name up. */
    RESOLVE,

    /** Opening the connection. */
    CONNECT,

    /** Finding out which protocol the server speaks. */
    HANDSHAKE,

    /** Waiting for a connection that another call holds. */
    QUEUE,

    /** Sending the request. */
    WRITE,

    /** Waiting for the reply. */
    READ,
}

/**
 * A call that failed, by who has to act. A miss, a value that was not stored and a cas conflict are results, not exceptions.
 *
 * ```text
 * CacheException
 *   the caller   KeyTooLong, KeyCharacter, InvalidArgument, ValueTooLarge, NoServers, Closed, NotNumeric
 *   the network  ServerDown, Timeout, Disconnected
 *   the server   Protocol, ServerError, Auth, Tls, Unsupported
 *   the value    ForeignValue, UndecodableValue, ForbiddenClass, UntrustedValue     (only from Client, which decodes)
 *   the set-up   NativeLibrary                                      (only from the constructors)
 *   this library InternalError
 * ```
 *
 * @property server the server to blame, as `host:port` or `unix:/path`; null where none is.
 * @property phase what the call was doing, where that is known.
 * @property outcomeUnknown whether the request had left: the server may or may not have carried it out.
 */
public sealed class CacheException(
    message: String,
    public val server: String? = null,
    public val phase: Phase? = null,
    public val outcomeUnknown: Boolean = false,
    cause: Throwable? = null,
) : RuntimeException(message, cause)

/** The key, prefix included, is longer than 250 bytes (186 with binary keys). Nothing was sent. */
public class KeyTooLongException internal constructor(message: String) : CacheException(message)

/** The key is empty or holds a character that the protocol cannot carry. Nothing was sent. */
public class KeyCharacterException internal constructor(message: String) : CacheException(message)

/** An argument is out of its range; the message names it and the limit. Nothing was sent. */
public class InvalidArgumentException internal constructor(message: String, cause: Throwable? = null) :
    CacheException(message, cause = cause)

/** The value is larger than the client's maximum (nothing was sent) or than the server's ([server] is set). */
public class ValueTooLargeException internal constructor(message: String, server: String?) : CacheException(message, server)

/** The client has no servers. */
public class NoServersException internal constructor(message: String) : CacheException(message)

/** The client was closed. */
public class ClosedException internal constructor(message: String) : CacheException(message)

/** The server refuses connections, or failed too often to be asked again yet. */
public class ServerDownException internal constructor(message: String, server: String?, phase: Phase?) :
    CacheException(message, server, phase)

/** The call's deadline passed. */
public class TimeoutException internal constructor(message: String, server: String?, phase: Phase?, outcomeUnknown: Boolean) :
    CacheException(message, server, phase, outcomeUnknown)

/** The server closed or reset the connection during the call. */
public class DisconnectedException internal constructor(message: String, server: String?, phase: Phase?, outcomeUnknown: Boolean) :
    CacheException(message, server, phase, outcomeUnknown)

/** What came is not memcached's protocol, or not the reply to what was asked. The connection was closed. */
public class ProtocolException internal constructor(message: String, server: String?, phase: Phase?, outcomeUnknown: Boolean) :
    CacheException(message, server, phase, outcomeUnknown)

/** The server answered with an error of its own; the message holds its words. */
public class ServerErrorException internal constructor(message: String, server: String?) : CacheException(message, server)

/** The server wants credentials, or refused them. */
public class AuthException internal constructor(message: String, server: String?) : CacheException(message, server)

/** No secure connection: a certificate was refused, on this side or by the server, or the server speaks no TLS. */
public class TlsException internal constructor(message: String, server: String?, phase: Phase?, outcomeUnknown: Boolean) :
    CacheException(message, server, phase, outcomeUnknown)

/** The server's protocol, or a client with signing keys, has no such operation. */
public class UnsupportedException internal constructor(message: String, server: String?) : CacheException(message, server)

/** incr or decr on a value that is not a decimal number. */
public class NotNumericException internal constructor(message: String, server: String?) : CacheException(message, server)

/**
 * The value was written by a client, or in a form, that this client does not read. The value stays as it is.
 *
 * @property key the key it is stored under.
 * @property flags its client flags.
 */
public class ForeignValueException internal constructor(message: String, public val key: String, public val flags: Int) :
    CacheException(message)

/**
 * The bytes are not what their flags say, or not what was asked for: damaged, too large, or of another type.
 *
 * @property key the key it is stored under.
 * @property flags its client flags.
 */
public class UndecodableValueException internal constructor(
    message: String,
    public val key: String,
    public val flags: Int,
    cause: Throwable? = null,
) : CacheException(message, cause = cause)

/**
 * A Java-serialized value holds a class that is not on the client's allow-list. The class was not loaded.
 *
 * @property key the key it is stored under.
 * @property className the name of the class.
 */
public class ForbiddenClassException internal constructor(message: String, public val key: String, public val className: String) :
    CacheException(message)

/**
 * The value is not signed, or not with one of the client's signing keys for this key. None of it was read.
 *
 * @property key the key it is stored under.
 * @property flags its client flags.
 */
public class UntrustedValueException internal constructor(message: String, public val key: String, public val flags: Int) :
    CacheException(message)

/** The native library is missing, does not load on this platform, or is of another version than this jar. */
public class NativeLibraryException internal constructor(message: String, cause: Throwable?) : CacheException(message, cause = cause)

/** A defect of this library; please report it. */
public class InternalErrorException internal constructor(message: String, cause: Throwable? = null) :
    CacheException("internal error of cmemcache: $message", cause = cause)

/** The exception of an error as packed replies number it. */
internal fun cacheException(kind: Int, message: String, server: String?, phase: Phase?, outcomeUnknown: Boolean): CacheException =
    when (kind) {
        64 -> KeyTooLongException(message)
        65 -> KeyCharacterException(message)
        66 -> InvalidArgumentException(message)
        67 -> ValueTooLargeException(message, server)
        68 -> NoServersException(message)
        69 -> ClosedException(message)
        70 -> ServerDownException(message, server, phase)
        71 -> TimeoutException(message, server, phase, outcomeUnknown)
        72 -> DisconnectedException(message, server, phase, outcomeUnknown)
        73 -> ProtocolException(message, server, phase, outcomeUnknown)
        74 -> ServerErrorException(message, server)
        75 -> AuthException(message, server)
        76 -> UnsupportedException(message, server)
        77 -> NotNumericException(message, server)
        78 -> TlsException(message, server, phase, outcomeUnknown)
        else -> InternalErrorException("error kind $kind is unknown to this version: $message")
    }
