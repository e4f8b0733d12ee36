import Foundation

/// What ``StringClient`` and ``Client`` do alike: everything but reading and storing values.
public protocol CacheClient: Sendable {
    /// The client of bytes that does the work.
    var strings: StringClient { get }
}

extension CacheClient {
    /// Puts bytes behind the present value; ``StoreOutcome/notStored`` if there is none. Flags and time to live of the item
    /// stay.
    public func append(_ key: some CacheKey, _ value: some CacheBytes) throws(CacheError) -> StoreOutcome {
        try refuseIfSigned("append")
        return try strings.packed.extend(.append, key, value, timeout: 0)
    }

    /// Puts bytes behind the present value; ``StoreOutcome/notStored`` if there is none.
    public func append(_ key: some CacheKey, _ value: some CacheBytes) async throws -> StoreOutcome {
        try refuseIfSigned("append")
        return try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.extend(.append, key, value, timeout: timeout)
        }
    }

    /// Puts bytes in front of the present value; ``StoreOutcome/notStored`` if there is none. Flags and time to live of the
    /// item stay.
    public func prepend(_ key: some CacheKey, _ value: some CacheBytes) throws(CacheError) -> StoreOutcome {
        try refuseIfSigned("prepend")
        return try strings.packed.extend(.prepend, key, value, timeout: 0)
    }

    /// Puts bytes in front of the present value; ``StoreOutcome/notStored`` if there is none.
    public func prepend(_ key: some CacheKey, _ value: some CacheBytes) async throws -> StoreOutcome {
        try refuseIfSigned("prepend")
        return try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.extend(.prepend, key, value, timeout: timeout)
        }
    }

    /// Deletes an item; `false` if there was none.
    @discardableResult
    public func delete(_ key: some CacheKey) throws(CacheError) -> Bool {
        try strings.packed.delete(key, timeout: 0)
    }

    /// Deletes an item; `false` if there was none.
    @discardableResult
    public func delete(_ key: some CacheKey) async throws -> Bool {
        try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.delete(key, timeout: timeout)
        }
    }

    /// Deletes many items at once, all servers at the same time; `false` for a key without an item.
    public func deleteMulti<K: CacheKey>(_ keys: [K]) throws(CacheError) -> MultiResult<K, Bool> {
        try strings.packed.deleteMulti(keys, timeout: 0)
    }

    /// Deletes many items at once, all servers at the same time; `false` for a key without an item.
    public func deleteMulti<K: CacheKey>(_ keys: [K]) async throws -> MultiResult<K, Bool> {
        try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.deleteMulti(keys, timeout: timeout)
        }
    }

    /// Adds to a decimal number of 64 bits, wrapping at 2^64, and returns the sum; `nil` on a miss.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - delta: What to add.
    ///   - initial: With it a missing item is made, with this value and `ttl`, and `initial` is returned.
    ///   - ttl: The time to live of an item that is made here; `nil` for ever.
    /// - Throws: ``CacheError/Code/notNumeric`` if the value is no such number.
    public func incr(
        _ key: some CacheKey, by delta: UInt64 = 1, initial: UInt64? = nil, ttl: Duration? = nil
    ) throws(CacheError) -> UInt64? {
        try refuseIfSigned("incr")
        return try strings.packed.count(.incr, key, by: delta, initial: initial, ttl: ttl, timeout: 0)
    }

    /// Adds to a decimal number; arguments and result as in the blocking form.
    public func incr(
        _ key: some CacheKey, by delta: UInt64 = 1, initial: UInt64? = nil, ttl: Duration? = nil
    ) async throws -> UInt64? {
        try refuseIfSigned("incr")
        return try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.count(.incr, key, by: delta, initial: initial, ttl: ttl, timeout: timeout)
        }
    }

    /// Subtracts from a decimal number of 64 bits, stopping at 0, and returns the rest; otherwise as `incr`.
    public func decr(
        _ key: some CacheKey, by delta: UInt64 = 1, initial: UInt64? = nil, ttl: Duration? = nil
    ) throws(CacheError) -> UInt64? {
        try refuseIfSigned("decr")
        return try strings.packed.count(.decr, key, by: delta, initial: initial, ttl: ttl, timeout: 0)
    }

    /// Subtracts from a decimal number, stopping at 0; otherwise as `incr`.
    public func decr(
        _ key: some CacheKey, by delta: UInt64 = 1, initial: UInt64? = nil, ttl: Duration? = nil
    ) async throws -> UInt64? {
        try refuseIfSigned("decr")
        return try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.count(.decr, key, by: delta, initial: initial, ttl: ttl, timeout: timeout)
        }
    }

    /// Gives an item a new time to live, `nil` for ever; `false` on a miss.
    @discardableResult
    public func touch(_ key: some CacheKey, ttl: Duration?) throws(CacheError) -> Bool {
        try strings.packed.touch(key, ttl: ttl, timeout: 0)
    }

    /// Gives an item a new time to live, `nil` for ever; `false` on a miss.
    @discardableResult
    public func touch(_ key: some CacheKey, ttl: Duration?) async throws -> Bool {
        try await strings.background { (packed, timeout) throws(CacheError) in
            try packed.touch(key, ttl: ttl, timeout: timeout)
        }
    }

    /// What the server knows of an item, without reading its value; `nil` on a miss. Needs the meta protocol.
    public func metadata(_ key: some CacheKey) throws(CacheError) -> ItemMetadata? {
        let key = key.withCacheBytes { Data($0) }
        return try strings.typed { try $0.metadata(key: key).map(ItemMetadata.init) }
    }

    /// What the server knows of an item, without reading its value; `nil` on a miss. Needs the meta protocol.
    public func metadata(_ key: some CacheKey) async throws -> ItemMetadata? {
        let key = key.withCacheBytes { Data($0) }
        return try await strings.backgroundGenerated { try $0.metadata(key: key).map(ItemMetadata.init) }
    }
}
