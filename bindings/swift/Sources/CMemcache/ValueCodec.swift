import Foundation

/// How a ``Client`` turns values into bytes and back.
public struct ValueOptions: Hashable, Sendable {
    /// Values of at least so many bytes are compressed with zlib where that makes them smaller; 0 compresses none. Integers
    /// never are: the server counts with them. Compressed values are always read; `append` to one spoils it.
    public var compressFrom = 0
    /// Largest value in bytes, 1 to 1 GiB, to which a compressed one may grow when it is read.
    public var maxDecompressedSize = 64 << 20
    /// Keys of 16 bytes or more: values are signed with the first, and only values that one of them signed are read; another
    /// throws ``CacheError/Code/untrustedValue``. `incr`, `decr`, `append` and `prepend` then throw
    /// ``CacheError/Code/unsupported``. Empty: nothing is signed.
    public var signingKeys = [Data]()

    /// The defaults.
    public init() {}

    func check() throws(CacheError) {
        guard compressFrom >= 0 else {
            throw CacheError(.invalidArgument, "compressFrom of \(compressFrom) is below 0")
        }
        guard (1...1 << 30).contains(maxDecompressedSize) else {
            throw CacheError(.invalidArgument, "maxDecompressedSize of \(maxDecompressedSize) is not in 1 to \(1 << 30)")
        }
    }
}

/// Values to bytes and flags, and back, by the registry of ``Flags``.
struct ValueCodec: Sendable {
    let options: ValueOptions
    /// `nil` when nothing is signed.
    let signing: Signing?

    // Points in time are seconds since 1970, which every language reads.
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .secondsSince1970
        return encoder
    }()
    private static let decoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        return decoder
    }()

    /// The bytes and flags of a value.
    ///
    /// - Throws: ``CacheError/Code/unencodableValue`` with the encoder's own error.
    func encode(_ value: some Encodable, key: some CacheKey) throws(CacheError) -> Item {
        let item = try compressed(value, key: key)
        guard let signing else { return item }
        return try signing.seal(item, key: key)
    }

    private func compressed(_ value: some Encodable, key: some CacheKey) throws(CacheError) -> Item {
        let item = try Self.plain(value, key: key)
        guard options.compressFrom > 0, item.value.count >= options.compressFrom, item.flags != Flags.integer,
            let compressed = Zlib.compress(item.value)
        else { return item }
        return Item(value: compressed, flags: item.flags | Flags.zlib)
    }

    private static func plain(_ value: some Encodable, key: some CacheKey) throws(CacheError) -> Item {
        switch value {
        case let text as String:
            return Item(value: Data(text.utf8), flags: Flags.text)
        case let bytes as Data:
            return Item(value: bytes, flags: Flags.bytes)
        case let bytes as [UInt8]:
            return Item(value: Data(bytes), flags: Flags.bytes)
        case let integer as any BinaryInteger:
            return Item(value: Data(integer.description.utf8), flags: Flags.integer)
        // With its fraction, and a zero's sign: languages that go by the text take 3 for an integer.
        case let number as Double where number.isFinite:
            return Item(value: Data(number.description.utf8), flags: Flags.portable)
        case let number as Float where number.isFinite:
            return Item(value: Data(number.description.utf8), flags: Flags.portable)
        case let optional as any OptionalValue:
            if let wrapped = optional.wrapped as? any Encodable {
                return try plain(wrapped, key: key)
            }
            return Item(value: Data("null".utf8), flags: Flags.portable)
        default:
            do {
                return Item(value: try encoder.encode(value), flags: Flags.portable)
            } catch {
                throw CacheError(
                    .unencodableValue, "value of key \(key.shownInMessages) cannot be written as JSON: \(error)",
                    underlying: error)
            }
        }
    }

    /// The value of an item, as the type that was asked for.
    ///
    /// - Throws: ``CacheError/Code/undecodableValue`` or ``CacheError/Code/foreignValue``, naming key and flags.
    func decode<V: Decodable>(_ type: V.Type, _ item: Item, key: some CacheKey) throws(CacheError) -> V {
        var item = item
        if let signing {
            item = try signing.open(item, key: key)
        }
        let fault = DecodingFault(key: key, flags: item.flags, type: type)
        try fault.refuseForeign(item.value)
        if item.flags & Flags.zlib != 0 {
            do {
                item.value = try Zlib.decompress(item.value, limit: options.maxDecompressedSize)
            } catch {
                throw fault.undecodable("its zlib stream is no good: \(error)", error)
            }
            item.flags &= ~Flags.zlib
        }
        // Before anything that asks for a conformance, which costs more than the rest.
        if item.flags == Flags.text, type == String.self, let text = String(exactly: item.value) as? V {
            return text
        }
        if item.flags != Flags.portable, let optional = type as? any OptionalValue.Type {
            return try Self.wrapped(optional, item, fault) as! V
        }
        return try Self.value(type, item, fault)
    }

    /// The value behind an optional: what is stored under another flag than JSON is never `nil`.
    private static func wrapped<O: OptionalValue>(
        _ type: O.Type, _ item: Item, _ fault: DecodingFault
    ) throws(CacheError) -> O {
        guard let wrapped = O.wrappedType as? any Decodable.Type else {
            throw fault.undecodable("\(O.wrappedType) is not Decodable")
        }
        return O.wrapping(try value(wrapped, item, fault))
    }

    private static func value<V: Decodable>(
        _ type: V.Type, _ item: Item, _ fault: DecodingFault
    ) throws(CacheError) -> V {
        switch item.flags {
        case Flags.bytes:
            if let bytes = item.value as? V ?? [UInt8](item.value) as? V {
                return bytes
            }
            // Bytes may be text to a client without flags, and a number to memcached, which makes counters with flags 0.
            if type == String.self, let text = String(exactly: item.value) as? V {
                return text
            }
            if type is any FixedWidthInteger.Type {
                return try integer(type, item.value, fault)
            }
            throw fault.undecodable("it holds bytes")
        case Flags.text:
            guard let text = String(exactly: item.value) else { throw fault.undecodable("it is not UTF-8") }
            if let text = text as? V {
                return text
            }
            // What is written in one string, such as an enum or a UUID, may have come from another language as text.
            return try json(type, fault) { try encoder.encode(text) }
        case Flags.integer, Flags.long:
            return try integer(type, item.value, fault)
        case Flags.portable:
            return try json(type, fault) { item.value }
        default:
            throw fault.unknown()
        }
    }

    private static func integer<V: Decodable>(
        _ type: V.Type, _ digits: Data, _ fault: DecodingFault
    ) throws(CacheError) -> V {
        // After a decr memcached leaves spaces behind a number that has become shorter.
        let end = digits.lastIndex { $0 != UInt8(ascii: " ") }.map { $0 + 1 } ?? digits.startIndex
        let text = String(decoding: digits[..<end], as: UTF8.self)
        if type == Int.self, let value = Int(text) as? V {
            return value
        }
        let figures = text.utf8.dropFirst(text.hasPrefix("-") ? 1 : 0)
        guard !figures.isEmpty, figures.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw fault.undecodable("it is no decimal integer: \(text.prefix(80))")
        }
        guard let integerType = type as? any FixedWidthInteger.Type else {
            // Digits are JSON: a Double, or a type of the caller's that takes numbers, reads them.
            return try json(type, fault) { Data(text.utf8) }
        }
        guard let value = parse(integerType, text) as? V else {
            throw fault.undecodable("it holds the integer \(text.prefix(80))")
        }
        return value
    }

    private static func parse<I: FixedWidthInteger>(_ type: I.Type, _ text: String) -> I? {
        I(text, radix: 10)
    }

    private static func json<V: Decodable>(
        _ type: V.Type, _ fault: DecodingFault, _ text: () throws -> Data
    ) throws(CacheError) -> V {
        do {
            return try decoder.decode(type, from: text())
        } catch {
            throw fault.undecodable("its JSON does not fit: \(error)", error)
        }
    }
}

/// What an error about a stored value names. The words are found only when there is one.
private struct DecodingFault {
    let key: any CacheKey
    let flags: UInt32
    let type: Any.Type

    func undecodable(_ reason: String, _ underlying: (any Error)? = nil) -> CacheError {
        CacheError(
            .undecodableValue, "value of key \(key.shownInMessages) with flags \(flags) cannot be read as \(type): \(reason)",
            underlying: underlying)
    }

    /// Refuses the native objects of other languages before anything looks into their bytes.
    func refuseForeign(_ value: Data) throws(CacheError) {
        switch flags & ~Flags.zlib {
        // spymemcached and xmemcached write Java objects under the flag of pickles; no pickle begins like them.
        case let form where form == Flags.pickle && value.starts(with: [0xac, 0xed]) || Self.typesOfSpymemcached.contains(form):
            throw foreign("in a form that spymemcached and xmemcached write", "there as text, or with Kotlin's portable dialect")
        case Flags.pickle:
            throw foreign("a Python pickle, which only Python reads", "from Python as str, bytes or int, or with portable=True")
        case Flags.java:
            throw foreign(
                "Java serialization, which only Kotlin and Java read",
                "from there as String, ByteArray, integer or @Serializable class")
        default:
            return
        }
    }

    func unknown() -> CacheError {
        switch flags {
        case Flags.lease: foreign("the marker of a lease, no value", "anew")
        case Flags.signed: foreign("signed, and this client has no signingKeys", "unsigned, give ValueOptions its signingKeys")
        default: foreign("in a form that these flags do not tell", "in one that is known here")
        }
    }

    private func foreign(_ what: String, _ wayOut: String) -> CacheError {
        CacheError(
            .foreignValue,
            "value of key \(key.shownInMessages) with flags \(flags) is \(what); store it \(wayOut), or read its bytes with "
                + "client.strings.get")
    }

    /// The types of the Java clients' SerializingTranscoder.
    private static let typesOfSpymemcached = stride(from: UInt32(0x100), through: 0x800, by: 0x100)
}

/// `Optional`, whatever it wraps.
private protocol OptionalValue {
    static var wrappedType: Any.Type { get }
    static func wrapping(_ value: Any) -> Self
    var wrapped: Any? { get }
}

extension Optional: OptionalValue {
    static var wrappedType: Any.Type { Wrapped.self }
    static func wrapping(_ value: Any) -> Self { value as? Wrapped }
    var wrapped: Any? { self }
}
