/// Calls that concern servers instead of keys.
extension CacheClient {
    /// Drops all items of all servers. One reply per server.
    ///
    /// - Parameter delay: When, from now, in whole seconds; zero is at once.
    public func flushAll(delay: Duration = .zero) throws(CacheError) -> [ServerReply] {
        let delay = try flushDelay(delay)
        return try strings.typed { try $0.flushAll(delay: delay).map(ServerReply.init) }
    }

    /// Drops all items of all servers, after `delay` in whole seconds. One reply per server.
    public func flushAll(delay: Duration = .zero) async throws -> [ServerReply] {
        let delay = try flushDelay(delay)
        return try await strings.backgroundGenerated { try $0.flushAll(delay: delay).map(ServerReply.init) }
    }

    /// Statistics of every server, general or of one kind (`items`, `slabs`, `settings`, ...).
    public func stats(_ argument: String? = nil) throws(CacheError) -> [ServerStats] {
        try strings.typed { try $0.stats(argument: argument).map(ServerStats.init) }
    }

    /// Statistics of every server, general or of one kind (`items`, `slabs`, `settings`, ...).
    public func stats(_ argument: String? = nil) async throws -> [ServerStats] {
        try await strings.backgroundGenerated { try $0.stats(argument: argument).map(ServerStats.init) }
    }

    /// The version of every server.
    public func version() throws(CacheError) -> [ServerReply] {
        try strings.typed { try $0.version().map(ServerReply.init) }
    }

    /// The version of every server.
    public func version() async throws -> [ServerReply] {
        try await strings.backgroundGenerated { try $0.version().map(ServerReply.init) }
    }

    /// Sets how much every server writes to its log.
    public func verbosity(_ level: UInt32) throws(CacheError) -> [ServerReply] {
        try strings.typed { try $0.verbosity(level: level).map(ServerReply.init) }
    }

    /// Sets how much every server writes to its log.
    public func verbosity(_ level: UInt32) async throws -> [ServerReply] {
        try await strings.backgroundGenerated { try $0.verbosity(level: level).map(ServerReply.init) }
    }

    /// What this client counted, one entry per server, in the order of the servers. Asks no server and never waits.
    public func metrics() -> [ServerMetrics] {
        strings.generated.metrics().map(ServerMetrics.init)
    }

    /// Replaces the servers. A server that stays keeps its connections; calls under way on one that goes end normally.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for an address or a weight that is none; the servers then stay.
    public func setServers(_ servers: [ServerSpec]) throws(CacheError) {
        try strings.typed { try $0.setServers(servers: servers.map(\.generated)) }
    }

    /// Puts a server down for a time, in whole milliseconds, as if it had failed.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` if it is none of this client's.
    public func markDown(_ server: String, for time: Duration) throws(CacheError) {
        try strings.typed { try $0.markDown(server: server, downForMs: time.wholeMilliseconds) }
    }

    /// Uses servers that are down again at once.
    public func forgetDeadHosts() {
        strings.generated.forgetDeadHosts()
    }

    /// Closes the idle connections. The next call opens new ones.
    public func disconnectAll() {
        strings.generated.disconnectAll()
    }

    /// Ends the client: connections close, and every later call throws ``CacheError/Code/closed``. Calls under way end
    /// normally. A client that is no longer referenced ends by itself.
    public func shutdown() {
        strings.generated.shutdown()
    }
}

private func flushDelay(_ delay: Duration) throws(CacheError) -> UInt32 {
    guard let seconds = UInt32(exactly: delay.count(perSecond: 1)) else {
        throw CacheError(.invalidArgument, "delay of \(delay) is not in 0 to \(UInt32.max) seconds")
    }
    return seconds
}
