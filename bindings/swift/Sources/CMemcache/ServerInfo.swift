import CMemcacheFFI

/// One server's part of `flushAll`, `version` or `verbosity`.
public struct ServerReply: Sendable {
    /// The server, as `host:port` or `unix:/path`.
    public var server: String
    /// What it answered: its version, or `OK`; `nil` on an error.
    public var reply: String?
    /// The error; `nil` when the server answered.
    public var error: CacheError?

    init(generated: CMemcacheFFI.ServerReply) {
        server = generated.server
        reply = generated.reply
        error = generated.error.map(CacheError.init(generated:))
    }
}

/// One server's statistics.
public struct ServerStats: Sendable {
    /// The server, as `host:port` or `unix:/path`.
    public var server: String
    /// Its weight.
    public var weight: UInt32
    /// Name and value of each statistic; empty on an error.
    public var stats: [String: String]
    /// The error; `nil` when the server answered.
    public var error: CacheError?

    init(generated: CMemcacheFFI.ServerStats) {
        server = generated.server
        weight = generated.weight
        stats = generated.stats
        error = generated.error.map(CacheError.init(generated:))
    }
}

/// How a client sees a server.
public enum ServerState: Hashable, Sendable {
    /// It is used.
    case up
    /// It failed lately and is used still.
    case suspect
    /// It is left alone until its next probe.
    case down
}

/// What a client counted for one server since it was made. Counters never fall.
public struct ServerMetrics: Hashable, Sendable {
    /// The server, as `host:port` or `unix:/path`.
    public var server: String
    /// Its weight.
    public var weight: UInt32
    /// How the client sees it now.
    public var state: ServerState
    /// Time until a server that is down is probed again, zero otherwise.
    public var downFor: Duration
    /// Requests answered; each key of a batch counts.
    public var operations: UInt64
    /// Reads that found an item.
    public var hits: UInt64
    /// Reads that found none.
    public var misses: UInt64
    /// Requests that failed to reach the server: refused, unreachable, no such name.
    public var connectErrors: UInt64
    /// Requests whose deadline passed.
    public var timeouts: UInt64
    /// Requests that lost their connection.
    public var disconnects: UInt64
    /// Requests that were answered with something that is not memcached's protocol.
    public var protocolErrors: UInt64
    /// Requests that the server answered with an error of its own.
    public var serverErrors: UInt64
    /// Connections opened, the first ones included.
    public var connects: UInt64
    /// Bytes received.
    public var bytesRead: UInt64
    /// Bytes sent.
    public var bytesWritten: UInt64
    /// Connections open now.
    public var connections: UInt32
    /// Requests under way now.
    public var inFlight: UInt32

    init(generated: CMemcacheFFI.ServerMetrics) {
        server = generated.server
        weight = generated.weight
        switch generated.state {
        case .up: state = .up
        case .suspect: state = .suspect
        case .down: state = .down
        }
        downFor = .milliseconds(Int64(clamping: generated.downForMs))
        operations = generated.operations
        hits = generated.hits
        misses = generated.misses
        connectErrors = generated.connectErrors
        timeouts = generated.timeouts
        disconnects = generated.disconnects
        protocolErrors = generated.protocolErrors
        serverErrors = generated.serverErrors
        connects = generated.connects
        bytesRead = generated.bytesRead
        bytesWritten = generated.bytesWritten
        connections = generated.connections
        inFlight = generated.inFlight
    }
}
