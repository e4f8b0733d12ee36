import Foundation

/// Reading and storing bytes.
extension StringClient {
    /// Reads a value; `nil` on a miss.
    public func get(_ key: some CacheKey) throws(CacheError) -> Item? {
        try packed.get(.get, key, timeout: 0)
    }

    /// Reads a value; `nil` on a miss.
    public func get(_ key: some CacheKey) async throws -> Item? {
        try await background { (packed, timeout) throws(CacheError) in try packed.get(.get, key, timeout: timeout) }
    }

    /// Reads a value and its cas token; `nil` on a miss.
    public func gets(_ key: some CacheKey) throws(CacheError) -> Item? {
        try packed.get(.gets, key, timeout: 0)
    }

    /// Reads a value and its cas token; `nil` on a miss.
    public func gets(_ key: some CacheKey) async throws -> Item? {
        try await background { (packed, timeout) throws(CacheError) in try packed.get(.gets, key, timeout: timeout) }
    }

    /// Reads a value and gives it a new time to live; `nil` on a miss.
    ///
    /// - Parameter ttl: As in `set`.
    public func getAndTouch(_ key: some CacheKey, ttl: Duration?) throws(CacheError) -> Item? {
        try packed.getAndTouch(.gat, key, ttl: ttl, timeout: 0)
    }

    /// Reads a value and gives it a new time to live; `nil` on a miss.
    public func getAndTouch(_ key: some CacheKey, ttl: Duration?) async throws -> Item? {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.getAndTouch(.gat, key, ttl: ttl, timeout: timeout)
        }
    }

    /// Reads a value and its cas token and gives it a new time to live; `nil` on a miss.
    public func getsAndTouch(_ key: some CacheKey, ttl: Duration?) throws(CacheError) -> Item? {
        try packed.getAndTouch(.gats, key, ttl: ttl, timeout: 0)
    }

    /// Reads a value and its cas token and gives it a new time to live; `nil` on a miss.
    public func getsAndTouch(_ key: some CacheKey, ttl: Duration?) async throws -> Item? {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.getAndTouch(.gats, key, ttl: ttl, timeout: timeout)
        }
    }

    /// Reads many values at once, all servers at the same time.
    public func getMulti<K: CacheKey>(_ keys: [K]) throws(CacheError) -> MultiResult<K, Item> {
        try packed.getMulti(.getMulti, keys, timeout: 0)
    }

    /// Reads many values at once, all servers at the same time.
    public func getMulti<K: CacheKey>(_ keys: [K]) async throws -> MultiResult<K, Item> {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.getMulti(.getMulti, keys, timeout: timeout)
        }
    }

    /// Reads many values and their cas tokens at once.
    public func getsMulti<K: CacheKey>(_ keys: [K]) throws(CacheError) -> MultiResult<K, Item> {
        try packed.getMulti(.getsMulti, keys, timeout: 0)
    }

    /// Reads many values and their cas tokens at once.
    public func getsMulti<K: CacheKey>(_ keys: [K]) async throws -> MultiResult<K, Item> {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.getMulti(.getsMulti, keys, timeout: timeout)
        }
    }

    /// Stores a value, whatever is there: always ``StoreOutcome/stored``. A value that the server refuses as too large also
    /// removes the old item.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: The bytes, at most ``ClientOptions/maxValueSize`` of them.
    ///   - flags: The client flags to keep with it.
    ///   - ttl: How long it lives, up to 999999999 s in whole seconds, parts of one counting whole; `nil` for ever, zero or
    ///     less: it expires at once.
    @discardableResult
    public func set(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        try packed.store(.set, key, value, flags: flags, ttl: ttl, timeout: 0)
    }

    /// Stores a value, whatever is there; arguments as in the blocking form.
    @discardableResult
    public func set(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.store(.set, key, value, flags: flags, ttl: ttl, timeout: timeout)
        }
    }

    /// Stores a value if there is no item yet; ``StoreOutcome/notStored`` otherwise.
    public func add(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        try packed.store(.add, key, value, flags: flags, ttl: ttl, timeout: 0)
    }

    /// Stores a value if there is no item yet; ``StoreOutcome/notStored`` otherwise.
    public func add(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.store(.add, key, value, flags: flags, ttl: ttl, timeout: timeout)
        }
    }

    /// Stores a value if there is an item; ``StoreOutcome/notStored`` otherwise.
    public func replace(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        try packed.store(.replace, key, value, flags: flags, ttl: ttl, timeout: 0)
    }

    /// Stores a value if there is an item; ``StoreOutcome/notStored`` otherwise.
    public func replace(
        _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32 = 0, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.store(.replace, key, value, flags: flags, ttl: ttl, timeout: timeout)
        }
    }

    /// Stores a value if the item still has this cas token: ``StoreOutcome/stored``, ``StoreOutcome/exists`` (it was
    /// changed) or ``StoreOutcome/notFound``.
    ///
    /// - Parameter cas: ``Item/cas`` of the item that `gets` read.
    public func cas(
        _ key: some CacheKey, _ value: some CacheBytes, cas: UInt64, flags: UInt32 = 0, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        try packed.store(.cas, key, value, flags: flags, ttl: ttl, cas: cas, timeout: 0)
    }

    /// Stores a value if the item still has this cas token; outcomes as in the blocking form.
    public func cas(
        _ key: some CacheKey, _ value: some CacheBytes, cas: UInt64, flags: UInt32 = 0, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.store(.cas, key, value, flags: flags, ttl: ttl, cas: cas, timeout: timeout)
        }
    }

    /// Stores many values at once, all servers at the same time.
    ///
    /// - Throws: what concerns the whole batch; the error of a key stands in the result.
    public func setMulti<K: CacheKey>(
        _ entries: [StoreEntry<K>], ttl: Duration? = nil
    ) throws(CacheError) -> MultiResult<K, StoreOutcome> {
        try packed.setMulti(entries, ttl: ttl, timeout: 0)
    }

    /// Stores many values at once, all servers at the same time.
    public func setMulti<K: CacheKey>(
        _ entries: [StoreEntry<K>], ttl: Duration? = nil
    ) async throws -> MultiResult<K, StoreOutcome> {
        try await background { (packed, timeout) throws(CacheError) in
            try packed.setMulti(entries, ttl: ttl, timeout: timeout)
        }
    }
}
