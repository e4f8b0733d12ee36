import CMemcacheFFI
import Foundation

/// A client of a set of memcached servers. Values are strings of bytes with client flags.
///
/// Any number of threads and tasks may share one. No connection is opened before the first call. Every call ends within
/// ``ClientOptions/timeout``.
///
/// Each operation comes in two forms of the same name: one that blocks, for ordinary threads, and one that is `async`. In an
/// `async` function the compiler picks the second, so that a thread of Swift's concurrency is never blocked by accident.
/// A cancelled task gets `CancellationError` at once; a call that was under way ends by its deadline in the background, and
/// its result is dropped. Blocking calls throw ``CacheError`` only.
///
/// ```swift
/// let client = try StringClient(servers: ["127.0.0.1:11211"])
/// try client.set("greeting", "hello", ttl: .seconds(60))
/// print(try client.get("greeting")?.text ?? "a miss")
/// ```
public final class StringClient: CacheClient {
    let generated: CMemcacheFFI.StringClient
    let packed: PackedCall
    let timeout: Duration
    let calls: AsyncCalls
    /// What the core puts in front of every key; signatures cover it.
    let keyPrefix: Data

    /// This client itself: ``CacheClient`` reaches the bytes through it.
    public var strings: StringClient { self }

    /// Makes a client.
    ///
    /// - Parameters:
    ///   - servers: The servers; none is legal, and every call then throws ``CacheError/Code/noServers``.
    ///   - options: How to use them.
    /// - Throws: ``CacheError/Code/invalidArgument`` for an address, weight or option that is out of its range, naming it;
    ///   ``CacheError/Code/incompatibleLibrary`` when the linked library is of another version.
    public convenience init(servers: [ServerSpec], options: ClientOptions = ClientOptions()) throws(CacheError) {
        try Library.check()
        guard (1...1024).contains(options.asyncThreads) else {
            throw CacheError(.invalidArgument, "asyncThreads of \(options.asyncThreads) is not in 1 to 1024")
        }
        let generated = try CacheError.translating {
            try CMemcacheFFI.StringClient(servers: servers.map(\.generated), options: options.generated)
        }
        self.init(
            generated, timeout: options.timeout, calls: AsyncCalls(limit: options.asyncThreads), keyPrefix: options.keyPrefix)
    }

    private init(_ generated: CMemcacheFFI.StringClient, timeout: Duration, calls: AsyncCalls, keyPrefix: Data) {
        self.generated = generated
        self.packed = PackedCall(generated)
        self.timeout = timeout
        self.calls = calls
        self.keyPrefix = keyPrefix
    }

    /// The same client with another deadline: servers, connections, metrics and threads are shared.
    ///
    /// - Parameter timeout: The deadline of a whole call, 1 ms to 1 h in whole milliseconds.
    public func withTimeout(_ timeout: Duration) throws(CacheError) -> StringClient {
        let generated = try CacheError.translating { try self.generated.withTimeout(timeoutMs: timeout.wholeMilliseconds) }
        return StringClient(generated, timeout: timeout, calls: calls, keyPrefix: keyPrefix)
    }

    /// Runs a packed operation on a thread of the client's own.
    func background<R: Sendable>(
        _ work: @escaping @Sendable (PackedCall, UInt32) throws(CacheError) -> R
    ) async throws -> R {
        try await calls.run(timeout: timeout) { (timeout) throws(CacheError) -> R in
            try work(self.packed, timeout)
        }
    }

    /// Runs a generated operation on a thread of the client's own.
    func backgroundGenerated<R: Sendable>(
        _ work: @escaping @Sendable (CMemcacheFFI.StringClient) throws -> R
    ) async throws -> R {
        try await calls.run(timeout: timeout) { (timeout) throws(CacheError) -> R in
            try CacheError.translating {
                try work(timeout == 0 ? self.generated : self.generated.withTimeout(timeoutMs: timeout))
            }
        }
    }

    /// Runs a generated operation on this thread.
    func typed<R>(_ work: (CMemcacheFFI.StringClient) throws -> R) throws(CacheError) -> R {
        try CacheError.translating { try work(generated) }
    }
}
