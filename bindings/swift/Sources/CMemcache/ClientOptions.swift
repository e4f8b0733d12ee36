import CMemcacheFFI
import Foundation

/// A server and its share of the keys.
public struct ServerSpec: Hashable, Sendable, ExpressibleByStringLiteral {
    /// `host`, `host:port`, `inet:host:port`, `inet6:[address]:port`, `[address]:port` or `unix:/path`; the default port is
    /// 11211.
    public var address: String
    /// How many shares of the keys it takes, 1 to 10000; used by ``Placement/modulo`` and ``Placement/ketamaWeighted``.
    public var weight: UInt32

    /// A server at an address, with a weight of 1 if none is given. The address is checked when a client is made.
    public init(_ address: String, weight: UInt32 = 1) {
        self.address = address
        self.weight = weight
    }

    /// A server at an address, with a weight of 1.
    public init(stringLiteral address: String) {
        self.init(address)
    }

    var generated: CMemcacheFFI.ServerSpec {
        CMemcacheFFI.ServerSpec(address: address, weight: weight)
    }
}

/// Which protocol to speak.
public enum WireProtocol: Hashable, Sendable {
    /// Ask each server on each new connection: meta from memcached 1.6.18 on, classic otherwise.
    case auto
    /// Meta, without asking.
    case meta
    /// Classic, without asking.
    case classic
}

/// How a key chooses its server.
public enum Placement: Hashable, Sendable {
    /// python-memcached's: crc32 of the key modulo the servers, each counted by its weight. The default.
    case modulo
    /// libmemcached's default: one-at-a-time hash modulo the servers; weights are ignored.
    case modula
    /// libmemcached's `KETAMA`: 100 points per server hashed one-at-a-time; weights are ignored.
    case ketama
    /// libmemcached's `KETAMA_WEIGHTED`: about 160 MD5 points per server and weight.
    case ketamaWeighted
    /// Highest random weight, murmur3 of `host:port-key`, as pymemcache's HashClient; weights are ignored.
    case rendezvous
}

/// What becomes of a key whose server is down.
public enum Failover: Hashable, Sendable {
    /// The call fails with ``CacheError/Code/serverDown``. Never reads a stale copy. The default.
    case failFast
    /// Another server is tried, as python-memcached does. A server that flaps can leave stale copies behind.
    case rehash
}

/// How a call waits for a reply: polling briefly before it sleeps saves the cost of waking up.
public enum Spin: Hashable, Sendable {
    /// Poll only while that has paid lately and a processor is to spare. The default.
    case auto
    /// Always sleep.
    case off
    /// Poll for this long before every sleep, up to one millisecond; counted in whole microseconds.
    case fixed(Duration)
}

/// Options of a client. Every field has a default that suits a server in the same network.
///
/// Ranges are checked when a client is made, which throws ``CacheError/Code/invalidArgument`` naming the option.
public struct ClientOptions: Hashable, Sendable {
    /// Which protocol to speak.
    public var `protocol`: WireProtocol = .auto
    /// How a key chooses its server.
    public var placement: Placement = .modulo
    /// What becomes of a key whose server is down.
    public var failover: Failover = .failFast
    /// Deadline of a whole call, 1 ms to 1 h in whole milliseconds: queueing, connecting, retries and failover included.
    public var timeout: Duration = .milliseconds(1000)
    /// Longest time for one attempt to connect, 1 ms to 1 h; never beyond the call's deadline.
    public var connectTimeout: Duration = .milliseconds(250)
    /// Longest time, up to 1 h, for which a failed server is left alone before it is probed again.
    public var deadRetry: Duration = .seconds(30)
    /// How many timeouts in a row put a server down, 1 to 1000.
    public var failureLimit: UInt32 = 3
    /// Most connections per server, 1 to 1024, each opened when it is needed. When more callers than that are under way, small
    /// requests travel together on a few of them, and other callers wait within their deadline.
    public var maxConnections: UInt32 = 8
    /// Largest value in bytes that is sent; 0 leaves the limit to the server, up to 1 GiB.
    public var maxValueSize: UInt64 = 1_048_576
    /// Bytes put in front of every key, before it is hashed and sent.
    public var keyPrefix = Data()
    /// Keys are any bytes, sent as base64: needs the meta protocol.
    public var binaryKeys = false
    /// Empty a server (flush_all) on the first connection after it was down, so that it serves nothing stale.
    public var flushOnReconnect = false
    /// How a call waits for a reply.
    public var spin: Spin = .auto
    /// How connections are secured; not at all when nil. A server that does not speak TLS is an error, never spoken to in plain.
    public var tls: TlsOptions?
    /// The user for servers that ask for one (memcached's `-Y`). Goes with ``password``; the two are sent once on each connection,
    /// only to servers that refuse to serve without.
    public var user: String?
    /// The password of ``user``. Both together are at most 254 bytes, without spaces and control characters.
    public var password: Password?
    /// How many `async` calls of a client are under way at once, 1 to 1024; further ones wait within their deadline. Each
    /// takes a thread of the client's own, made when it is needed and ended when it is idle: the threads of Swift's
    /// concurrency are never blocked.
    public var asyncThreads = 32

    /// The defaults.
    public init() {}

    var generated: CMemcacheFFI.ClientOptions {
        CMemcacheFFI.ClientOptions(
            protocol: self.protocol.generated, placement: placement.generated, failover: failover.generated,
            timeoutMs: timeout.wholeMilliseconds, connectTimeoutMs: connectTimeout.wholeMilliseconds,
            deadRetryMs: deadRetry.wholeMilliseconds, failureLimit: failureLimit, maxConnections: maxConnections,
            maxValueSize: maxValueSize, keyPrefix: keyPrefix, binaryKeys: binaryKeys, flushOnReconnect: flushOnReconnect,
            spin: spin.generated, tls: tls?.generated, user: user,
            password: password.map { CMemcacheFFI.Password(password: $0.text) })
    }
}

extension WireProtocol {
    fileprivate var generated: CMemcacheFFI.WireProtocol {
        switch self {
        case .auto: .auto
        case .meta: .meta
        case .classic: .classic
        }
    }
}

extension Placement {
    fileprivate var generated: CMemcacheFFI.Placement {
        switch self {
        case .modulo: .modulo
        case .modula: .modula
        case .ketama: .ketama
        case .ketamaWeighted: .ketamaWeighted
        case .rendezvous: .rendezvous
        }
    }
}

extension Failover {
    fileprivate var generated: CMemcacheFFI.Failover {
        switch self {
        case .failFast: .failFast
        case .rehash: .rehash
        }
    }
}

extension Spin {
    fileprivate var generated: CMemcacheFFI.Spin {
        switch self {
        case .auto: .auto
        case .off: .off
        case .fixed(let time): .fixed(microseconds: UInt32(clamping: time.count(perSecond: 1_000_000)))
        }
    }
}
