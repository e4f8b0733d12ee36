import CMemcacheFFI
import Foundation

/// A value as memcached holds it.
public struct Item: Hashable, Sendable {
    /// The value.
    public var value: Data
    /// The client flags stored with it; see ``Flags``.
    public var flags: UInt32
    /// Its cas token; present only from `gets`, `getsMulti` and `getsAndTouch`.
    public var cas: UInt64?

    /// Makes an item.
    public init(value: Data, flags: UInt32 = 0, cas: UInt64? = nil) {
        self.value = value
        self.flags = flags
        self.cas = cas
    }

    /// The value as text; `nil` when it is not UTF-8.
    public var text: String? {
        String(exactly: value)
    }
}

/// A decoded value with the cas token that `Client.cas` takes.
public struct Versioned<Value> {
    /// The value.
    public var value: Value
    /// Its cas token.
    public var cas: UInt64

    /// Makes a versioned value.
    public init(value: Value, cas: UInt64) {
        self.value = value
        self.cas = cas
    }
}

extension Versioned: Sendable where Value: Sendable {}
extension Versioned: Equatable where Value: Equatable {}

/// What memcached did with a value it was asked to store.
public enum StoreOutcome: Hashable, Sendable {
    /// It is stored.
    case stored
    /// The condition of `add`, `replace`, `append` or `prepend` did not hold.
    case notStored
    /// `cas`: the item was changed since its token was read.
    case exists
    /// `cas`: there is no such item.
    case notFound
}

/// A value to store with `StringClient.setMulti`.
public struct StoreEntry<Key: CacheKey>: Sendable {
    /// Its key.
    public var key: Key
    /// The value.
    public var value: any CacheBytes
    /// Its client flags.
    public var flags: UInt32

    /// Makes an entry.
    public init(key: Key, value: any CacheBytes, flags: UInt32 = 0) {
        self.key = key
        self.value = value
        self.flags = flags
    }
}

/// What a batch brought, key by key.
///
/// A server that is down costs its own keys only: they stand in ``errors``, and the others in ``values``. For a read, a key
/// that stands in neither was missed.
public struct MultiResult<Key: CacheKey, Value> {
    /// The values that were read, or what became of each store or delete.
    public var values: [Key: Value]
    /// The keys without an answer, and why.
    public var errors: [Key: CacheError]

    /// Makes a result.
    public init(values: [Key: Value] = [:], errors: [Key: CacheError] = [:]) {
        self.values = values
        self.errors = errors
    }

    /// The value of a key; `nil` for a miss and for an error.
    public subscript(key: Key) -> Value? { values[key] }

    /// The values, if every key was answered.
    ///
    /// - Throws: the error of one of the keys, if there is one.
    public func get() throws(CacheError) -> [Key: Value] {
        if let error = errors.values.first {
            throw error
        }
        return values
    }
}

extension MultiResult: Sendable where Value: Sendable {}

/// What memcached knows of an item, without its value.
public struct ItemMetadata: Hashable, Sendable {
    /// Time until it expires, in whole seconds; `nil` if it never does.
    public var ttl: Duration?
    /// Time since it was last read or written, in whole seconds.
    public var idle: Duration
    /// Its cas token.
    public var cas: UInt64
    /// Whether it was read since it was stored.
    public var fetched: Bool
    /// Slab class it lives in.
    public var slabClass: UInt32
    /// Bytes it takes in the server, header and key included.
    public var size: UInt64

    init(generated: CMemcacheFFI.ItemMetadata) {
        ttl = generated.ttl.map { .seconds($0) }
        idle = .seconds(Int64(clamping: generated.idle))
        cas = generated.cas
        fetched = generated.fetched
        slabClass = generated.slabClass
        size = generated.size
    }
}

extension String {
    /// The text of these bytes, only if they are UTF-8 as they stand: nothing is replaced, no mark is dropped.
    init?(exactly bytes: Data) {
        let text = String(decoding: bytes, as: UTF8.self)
        let isExact = text.withCacheBytes { text in
            bytes.withUnsafeBytes { bytes in
                bytes.count == text.count && (text.isEmpty || memcmp(bytes.baseAddress!, text.baseAddress!, text.count) == 0)
            }
        }
        guard isExact else { return nil }
        self = text
    }
}
