import Foundation

/// Reading and storing values. In the `async` forms values are encoded and decoded in the caller's task: they need not be
/// `Sendable`.
extension Client {
    /// Reads a value; `nil` on a miss.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - type: The type that is expected; an optional one also reads a stored `nil`.
    /// - Throws: ``CacheError/Code/undecodableValue`` and ``CacheError/Code/foreignValue`` beside the errors of every call.
    public func get<V: Decodable>(_ key: some CacheKey, as type: V.Type = V.self) throws(CacheError) -> V? {
        try decode(type, strings.get(key), key: key)
    }

    /// Reads a value; `nil` on a miss.
    public func get<V: Decodable>(_ key: some CacheKey, as type: V.Type = V.self) async throws -> V? {
        try decode(type, try await strings.get(key), key: key)
    }

    /// Reads a value and its cas token; `nil` on a miss.
    public func gets<V: Decodable>(_ key: some CacheKey, as type: V.Type = V.self) throws(CacheError) -> Versioned<V>? {
        try decodeVersioned(type, strings.gets(key), key: key)
    }

    /// Reads a value and its cas token; `nil` on a miss.
    public func gets<V: Decodable>(_ key: some CacheKey, as type: V.Type = V.self) async throws -> Versioned<V>? {
        try decodeVersioned(type, try await strings.gets(key), key: key)
    }

    /// Reads a value and gives it a new time to live, `nil` for ever; `nil` on a miss.
    public func getAndTouch<V: Decodable>(
        _ key: some CacheKey, ttl: Duration?, as type: V.Type = V.self
    ) throws(CacheError) -> V? {
        try decode(type, strings.getAndTouch(key, ttl: ttl), key: key)
    }

    /// Reads a value and gives it a new time to live, `nil` for ever; `nil` on a miss.
    public func getAndTouch<V: Decodable>(
        _ key: some CacheKey, ttl: Duration?, as type: V.Type = V.self
    ) async throws -> V? {
        try decode(type, try await strings.getAndTouch(key, ttl: ttl), key: key)
    }

    /// Reads a value and its cas token and gives it a new time to live, `nil` for ever; `nil` on a miss.
    public func getsAndTouch<V: Decodable>(
        _ key: some CacheKey, ttl: Duration?, as type: V.Type = V.self
    ) throws(CacheError) -> Versioned<V>? {
        try decodeVersioned(type, strings.getsAndTouch(key, ttl: ttl), key: key)
    }

    /// Reads a value and its cas token and gives it a new time to live, `nil` for ever; `nil` on a miss.
    public func getsAndTouch<V: Decodable>(
        _ key: some CacheKey, ttl: Duration?, as type: V.Type = V.self
    ) async throws -> Versioned<V>? {
        try decodeVersioned(type, try await strings.getsAndTouch(key, ttl: ttl), key: key)
    }

    /// Reads many values at once, all servers at the same time. A value that is not of the type stands among the errors.
    public func getMulti<K: CacheKey, V: Decodable>(
        _ keys: [K], as type: V.Type = V.self
    ) throws(CacheError) -> MultiResult<K, V> {
        decodeAll(type, try strings.getMulti(keys)) { value, _ in value }
    }

    /// Reads many values at once, all servers at the same time. A value that is not of the type stands among the errors.
    public func getMulti<K: CacheKey, V: Decodable>(
        _ keys: [K], as type: V.Type = V.self
    ) async throws -> MultiResult<K, V> {
        decodeAll(type, try await strings.getMulti(keys)) { value, _ in value }
    }

    /// Reads many values and their cas tokens at once.
    public func getsMulti<K: CacheKey, V: Decodable>(
        _ keys: [K], as type: V.Type = V.self
    ) throws(CacheError) -> MultiResult<K, Versioned<V>> {
        decodeAll(type, try strings.getsMulti(keys)) { Versioned(value: $0, cas: $1.cas ?? 0) }
    }

    /// Reads many values and their cas tokens at once.
    public func getsMulti<K: CacheKey, V: Decodable>(
        _ keys: [K], as type: V.Type = V.self
    ) async throws -> MultiResult<K, Versioned<V>> {
        decodeAll(type, try await strings.getsMulti(keys)) { Versioned(value: $0, cas: $1.cas ?? 0) }
    }

    /// Stores a value, whatever is there: always ``StoreOutcome/stored``.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: The value.
    ///   - ttl: How long it lives, up to 999999999 s in whole seconds, parts of one counting whole; `nil` for ever, zero or
    ///     less: it expires at once.
    /// - Throws: ``CacheError/Code/unencodableValue`` beside the errors of every call.
    @discardableResult
    public func set(
        _ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try strings.set(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value, whatever is there; arguments as in the blocking form.
    @discardableResult
    public func set(_ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil) async throws -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try await strings.set(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if there is no item yet; ``StoreOutcome/notStored`` otherwise.
    public func add(
        _ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try strings.add(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if there is no item yet; ``StoreOutcome/notStored`` otherwise.
    public func add(_ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil) async throws -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try await strings.add(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if there is an item; ``StoreOutcome/notStored`` otherwise.
    public func replace(
        _ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try strings.replace(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if there is an item; ``StoreOutcome/notStored`` otherwise.
    public func replace(
        _ key: some CacheKey, _ value: some Encodable, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try await strings.replace(key, item.value, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if the item still has this cas token: ``StoreOutcome/stored``, ``StoreOutcome/exists`` (it was
    /// changed) or ``StoreOutcome/notFound``.
    ///
    /// - Parameter cas: ``Versioned/cas`` of the value that was read.
    public func cas(
        _ key: some CacheKey, _ value: some Encodable, cas: UInt64, ttl: Duration? = nil
    ) throws(CacheError) -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try strings.cas(key, item.value, cas: cas, flags: item.flags, ttl: ttl)
    }

    /// Stores a value if the item still has this cas token; outcomes as in the blocking form.
    public func cas(
        _ key: some CacheKey, _ value: some Encodable, cas: UInt64, ttl: Duration? = nil
    ) async throws -> StoreOutcome {
        let item = try codec.encode(value, key: key)
        return try await strings.cas(key, item.value, cas: cas, flags: item.flags, ttl: ttl)
    }

    /// Stores many values, of any types, at once, all servers at the same time.
    ///
    /// - Throws: what concerns the whole batch, ``CacheError/Code/unencodableValue`` of one value included: then nothing was
    ///   sent. Other errors of a key stand in the result.
    public func setMulti<K: CacheKey>(
        _ values: [K: any Encodable], ttl: Duration? = nil
    ) throws(CacheError) -> MultiResult<K, StoreOutcome> {
        try strings.setMulti(encodeAll(values), ttl: ttl)
    }

    /// Stores many values, of any types, at once, all servers at the same time.
    public func setMulti<K: CacheKey>(
        _ values: [K: any Encodable], ttl: Duration? = nil
    ) async throws -> MultiResult<K, StoreOutcome> {
        let entries = try encodeAll(values)
        return try await strings.setMulti(entries, ttl: ttl)
    }
}
