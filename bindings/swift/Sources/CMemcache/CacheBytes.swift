import Foundation

/// A string of bytes: `String` (as UTF-8), `Data` or `[UInt8]`.
///
/// Values of a ``StringClient`` and the pieces given to `append` and `prepend` are of this kind.
public protocol CacheBytes: Sendable {
    /// Calls `body` with the bytes. The memory is valid only during the call.
    func withCacheBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R
}

/// A key: 1 to 250 bytes, prefix included, without the bytes 0x00-0x20 and 0x7f.
///
/// `String`, `Data` and `[UInt8]` are keys. With ``ClientOptions/binaryKeys`` any byte is allowed, up to 186 of them.
/// A key that is none throws ``CacheError/Code/keyTooLong`` or ``CacheError/Code/keyCharacter`` and nothing is sent.
public protocol CacheKey: CacheBytes, Hashable {}

extension String: CacheKey {
    /// Calls `body` with the UTF-8 of the string.
    public func withCacheBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        if let result = utf8.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) {
            return result
        }
        return Array(utf8).withUnsafeBytes(body)
    }
}

extension Data: CacheKey {
    /// Calls `body` with the bytes.
    public func withCacheBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(body)
    }
}

extension [UInt8]: CacheBytes, CacheKey {
    /// Calls `body` with the bytes.
    public func withCacheBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(body)
    }
}

extension CacheBytes {
    /// The bytes as text for a message, shortened: never more than a line.
    var shownInMessages: String {
        withCacheBytes { bytes in
            let text = String(decoding: bytes.prefix(80), as: UTF8.self)
            return bytes.count > 80 ? text + "..." : text
        }
    }
}
