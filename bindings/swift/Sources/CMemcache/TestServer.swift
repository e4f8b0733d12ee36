import CMemcacheFFI

/// A memcached on a loopback port for the tests of programs that use a cache: no process to start, and failures on demand.
///
/// It answers as memcached 1.6.18 does, in the classic and the meta protocol, and runs from its making until its last reference
/// is gone. Then neither a thread nor a socket is left.
public final class TestServer: Sendable {
    private let server: CMemcacheFFI.TestServer

    /// The TCP port. It stays the same when the server is stopped and started again.
    public let port: UInt16
    /// The address as clients take it, such as `127.0.0.1:40123`.
    public let address: String

    /// Starts a server. Throws ``CacheError/Code/invalidArgument`` for an option out of its range and
    /// ``CacheError/Code/serverDown`` if the port is somebody else's.
    public init(_ options: Options = Options()) throws(CacheError) {
        try Library.check()
        let generated = options.generated
        server = try CacheError.translating { try CMemcacheFFI.TestServer(options: generated) }
        port = server.port()
        address = server.address()
    }

    /// The server as clients take it.
    public var spec: ServerSpec { ServerSpec(address) }

    /// Has the server do something wrong the next `times` times that it could. Faults of one kind take place one after the
    /// other, in the order in which they were asked for; ``clear()`` calls them off.
    public func inject(_ fault: Fault, times: UInt32 = 1) {
        server.inject(fault: fault.generated, times: times)
    }

    /// Moves the server's clock forward, so that items expire and delayed flushes happen. A negative time does nothing.
    public func advance(_ time: Duration) {
        server.advance(milliseconds: milliseconds(time))
    }

    /// Drops all items, calls off all faults and counts from 0, as between two tests. Connections stay open.
    public func clear() {
        server.clear()
    }

    /// What the server has seen.
    public func counts() -> Counts {
        Counts(generated: server.counts())
    }

    /// Ends the server as a crash would: connections close, items are lost, and connecting is refused until ``restart()``. The
    /// port stays this server's. Does nothing if it is stopped already.
    public func stop() {
        server.stop()
    }

    /// Stops the server if it runs, and starts it again at the same port, without items. Counts, faults and the clock stay.
    ///
    /// Throws ``CacheError/Code/serverDown`` if somebody else took the port.
    public func restart() throws(CacheError) {
        try CacheError.translating { try server.restart() }
    }
}

private func milliseconds(_ time: Duration) -> UInt64 {
    UInt64(clamping: time.count(perSecond: 1000))
}

extension TestServer {
    /// How a ``TestServer`` is set up. The defaults are those of memcached.
    public struct Options: Hashable, Sendable {
        /// The TCP port on 127.0.0.1; 0 for any free one.
        public var port: UInt16 = 0
        /// The version that it answers as. Before 1.5.19 it knows no meta commands, before 1.6.18 a miss echoes nothing.
        public var version = "1.6.18"
        /// Largest item in bytes, key and header included, 1024 to 1 GiB.
        public var itemSizeMax: UInt64 = 1 << 20
        /// Bytes that all items may take, 1024 or more; beyond them the longest unused ones are evicted.
        public var memoryLimit: UInt64 = 64 << 20
        /// User that every connection has to begin with, without spaces; `nil`, with the password, for none.
        public var user: String?
        /// The user's password, without spaces.
        public var password: String?

        /// The defaults.
        public init() {}

        var generated: TestServerOptions {
            TestServerOptions(
                port: port, version: version, itemSizeMax: itemSizeMax, memoryLimit: memoryLimit, user: user, password: password)
        }
    }

    /// Something that a ``TestServer`` does wrong on demand.
    ///
    /// Most faults befall the reply to a command. What a connection begins with is answered faithfully, so that a client gets as
    /// far as its first command: credentials, `version`, and the `mg` by which a client finds out which protocol is spoken. A
    /// classic `get` of many keys has one reply; in the meta protocol each key has one.
    public enum Fault: Hashable, Sendable {
        /// The reply comes this much later, in whole milliseconds. Replies behind it on the same connection wait too.
        case delay(Duration)
        /// The reply comes in pieces of so many bytes, each in a packet of its own. 0 counts as 1.
        case split(UInt64)
        /// Only so many bytes of the reply come, then the server closes the connection. With 0 it closes without a word.
        case truncate(UInt64)
        /// The reply comes twice.
        case duplicate
        /// The reply does not come; the connection stays open, and later commands are answered.
        case drop
        /// The reply comes after the next one on the same connection, or never if there is none.
        case swap
        /// These bytes come instead of the reply.
        case garbage([UInt8])
        /// The connection is reset instead of a reply.
        case reset
        /// From this command on the connection is never answered again, and stays open.
        case silence
        /// The reply comes, and then the server closes its side and goes on reading.
        case halfClose
        /// The next value to store is refused as out of memory. The old item is gone, as with a real server.
        case outOfMemory
        /// The next connection is refused as one too many: an error line, then it is closed.
        case tooManyConnections

        var generated: TestFault {
            switch self {
            case .delay(let time): .delay(milliseconds: milliseconds(time))
            case .split(let length): .split(length: length)
            case .truncate(let length): .truncate(length: length)
            case .duplicate: .duplicate
            case .drop: .drop
            case .swap: .swap
            case .garbage(let reply): .garbage(reply: .init(reply))
            case .reset: .reset
            case .silence: .silence
            case .halfClose: .halfClose
            case .outOfMemory: .outOfMemory
            case .tooManyConnections: .tooManyConnections
            }
        }
    }

    /// What a ``TestServer`` has seen since it was made or last cleared.
    ///
    /// What a connection begins with, to find out which protocol is spoken, is not counted among the commands, so that the
    /// numbers are the same in every protocol.
    public struct Counts: Hashable, Sendable {
        /// Connections accepted.
        public let connections: UInt64
        /// Connections open now.
        public let openConnections: UInt32
        /// Commands carried out.
        public let commands: UInt64
        /// Keys read.
        public let reads: UInt64
        /// Reads that found an item.
        public let hits: UInt64
        /// Reads that found none.
        public let misses: UInt64
        /// Values that were sent to be stored, whatever became of them.
        public let stores: UInt64
        /// Deletes, of a missing item too.
        public let deletes: UInt64

        init(generated: TestServerCounts) {
            connections = generated.connections
            openConnections = generated.openConnections
            commands = generated.commands
            reads = generated.reads
            hits = generated.hits
            misses = generated.misses
            stores = generated.stores
            deletes = generated.deletes
        }
    }
}
