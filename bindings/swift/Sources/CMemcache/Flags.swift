/// The client flags that say how the bytes of a value are to be understood: one registry for all languages.
public enum Flags {
    /// Bytes as they are: `Data`, `[UInt8]`.
    public static let bytes: UInt32 = 0
    /// A Python pickle: read in Python only.
    public static let pickle: UInt32 = 1
    /// Decimal digits, with `-` in front of negatives: integers of any size.
    public static let integer: UInt32 = 2
    /// As ``integer``; written by nobody any more, but read.
    public static let long: UInt32 = 4
    /// A zlib stream of the bytes; stands beside another flag.
    public static let zlib: UInt32 = 8
    /// UTF-8: `String`.
    public static let text: UInt32 = 16
    /// JSON: `nil`, `Bool`, `Double`, arrays, dictionaries and every other `Codable` type.
    public static let portable: UInt32 = 0x18000
    /// Java serialization: read in Kotlin and Java only.
    public static let java: UInt32 = 0x28000
    /// Marks an item under an anti-stampede lease: it holds no value. Reserved.
    public static let lease: UInt32 = 0x48000
    /// A signed value, its own flags within: read with ``ValueOptions/signingKeys`` only.
    public static let signed: UInt32 = 0x88000
}
