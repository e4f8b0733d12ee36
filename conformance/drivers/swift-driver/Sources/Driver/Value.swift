import Foundation

/// Why a value cannot be asked for at all.
struct Absent: Error {
    let reason: String
}

/// A value of any type that the matrix has.
indirect enum Value: Codable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case natural(UInt64)
    case float(Double)
    case text(String)
    case bytes(Data)
    case list([Value])
    case map([String: Value])

    /// The value of {null}, {boolean}, {integer}, {float}, {text}, {bytes}, {list} or {map}.
    init(tagged: Any?) throws {
        guard let (kind, content) = (tagged as? [String: Any])?.first else { throw Absent(reason: "no value") }
        let text = content as? String ?? ""
        switch kind {
        case "null": self = .null
        case "boolean": self = .boolean(content as? Bool ?? false)
        case "integer":
            if let number = Int64(text) {
                self = .integer(number)
            } else if let number = UInt64(text) {
                self = .natural(number)
            } else {
                throw Absent(reason: "no such integer")
            }
        case "float": self = .float(Double(text) ?? .nan)
        case "text": self = .text(text)
        case "bytes": self = .bytes(Data(base64Encoded: text) ?? Data())
        case "list": self = .list(try (content as? [Any] ?? []).map(Value.init(tagged:)))
        default: self = .map(try (content as? [String: Any] ?? [:]).mapValues(Value.init(tagged:)))
        }
    }

    /// The value with its type, as the matrix reads it.
    var tagged: [String: Any] {
        switch self {
        case .null: ["null": true]
        case .boolean(let value): ["boolean": value]
        case .integer(let value): ["integer": "\(value)"]
        case .natural(let value): ["integer": "\(value)"]
        case .float(let value): ["float": "\(value)"]
        case .text(let value): ["text": value]
        case .bytes(let value): ["bytes": value.base64EncodedString()]
        case .list(let value): ["list": value.map(\.tagged)]
        case .map(let value): ["map": value.mapValues(\.tagged)]
        }
    }

    init(from decoder: any Decoder) throws {
        let box = try decoder.singleValueContainer()
        if box.decodeNil() {
            self = .null
        } else if let value = try? box.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? box.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? box.decode(Double.self) {
            self = .float(value)
        } else if let value = try? box.decode(String.self) {
            self = .text(value)
        } else if let value = try? box.decode([Value].self) {
            self = .list(value)
        } else {
            self = .map(try box.decode([String: Value].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var box = encoder.singleValueContainer()
        switch self {
        case .null: try box.encodeNil()
        case .boolean(let value): try box.encode(value)
        case .integer(let value): try box.encode(value)
        case .natural(let value): try box.encode(value)
        case .float(let value): try box.encode(value)
        case .text(let value): try box.encode(value)
        case .bytes(let value): try box.encode(value)
        case .list(let value): try box.encode(value)
        case .map(let value): try box.encode(value)
        }
    }
}
