import Foundation

/// A client of a set of memcached servers whose values are Swift values.
///
/// Integers, `String`, `Data` and `Bool` are stored as the clients of the other languages store theirs, everything else that
/// is `Codable` as JSON, so that Python and Kotlin read it; see ``Flags``. For the rest it is like ``StringClient``, which
/// stands behind it as ``strings``: blocking and `async` forms, errors, cancellation.
///
/// ```swift
/// struct User: Codable { var name: String, visits: Int }
/// let client = try Client(servers: ["127.0.0.1:11211"])
/// try client.set("user:42", User(name: "Ada", visits: 1), ttl: .seconds(3600))
/// if let user = try client.get("user:42", as: User.self) { print(user.name) }
/// ```
///
/// A stored value that is not of the type asked for throws ``CacheError/Code/undecodableValue``, one that only another
/// language reads ``CacheError/Code/foreignValue``; both name the key and its flags. The item and the connection stay as
/// they are.
public final class Client: CacheClient {
    /// The client of bytes that does the work.
    public let strings: StringClient
    let codec: ValueCodec

    /// Makes a client.
    ///
    /// - Parameters:
    ///   - servers: The servers; none is legal, and every call then throws ``CacheError/Code/noServers``.
    ///   - options: How to use them.
    ///   - values: How values become bytes.
    /// - Throws: as ``StringClient/init(servers:options:)``, and ``CacheError/Code/invalidArgument`` for `values`.
    public convenience init(
        servers: [ServerSpec], options: ClientOptions = ClientOptions(), values: ValueOptions = ValueOptions()
    ) throws(CacheError) {
        try self.init(strings: StringClient(servers: servers, options: options), values: values)
    }

    /// Makes a client over a client of bytes, whose servers, connections and metrics it shares.
    public init(strings: StringClient, values: ValueOptions = ValueOptions()) throws(CacheError) {
        try values.check()
        self.strings = strings
        codec = ValueCodec(options: values, signing: try Signing(keys: values.signingKeys, keyPrefix: strings.keyPrefix))
    }

    /// The same client with another deadline: servers, connections, metrics and threads are shared.
    ///
    /// - Parameter timeout: The deadline of a whole call, 1 ms to 1 h in whole milliseconds.
    public func withTimeout(_ timeout: Duration) throws(CacheError) -> Client {
        try Client(strings: strings.withTimeout(timeout), values: codec.options)
    }

    func decode<V: Decodable>(_ type: V.Type, _ item: Item?, key: some CacheKey) throws(CacheError) -> V? {
        guard let item else { return nil }
        return try codec.decode(type, item, key: key)
    }

    func decodeVersioned<V: Decodable>(
        _ type: V.Type, _ item: Item?, key: some CacheKey
    ) throws(CacheError) -> Versioned<V>? {
        guard let item, let cas = item.cas else { return nil }
        return Versioned(value: try codec.decode(type, item, key: key), cas: cas)
    }

    /// A value that cannot be decoded costs its own key only.
    func decodeAll<K, V: Decodable, R>(
        _ type: V.Type, _ items: MultiResult<K, Item>, as result: (V, Item) -> R
    ) -> MultiResult<K, R> {
        var decoded = MultiResult<K, R>(errors: items.errors)
        decoded.values.reserveCapacity(items.values.count)
        for (key, item) in items.values {
            do {
                decoded.values[key] = result(try codec.decode(type, item, key: key), item)
            } catch {
                decoded.errors[key] = error
            }
        }
        return decoded
    }

    func encodeAll<K>(_ values: [K: any Encodable]) throws(CacheError) -> [StoreEntry<K>] {
        var entries = [StoreEntry<K>]()
        entries.reserveCapacity(values.count)
        for (key, value) in values {
            let item = try codec.encode(value, key: key)
            entries.append(StoreEntry(key: key, value: item.value, flags: item.flags))
        }
        return entries
    }
}
