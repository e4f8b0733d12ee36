import Foundation

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
    .standardizedFileURL

/// A case of a file of vectors: an object of JSON.
struct Vector: @unchecked Sendable {
    let fields: [String: Any]

    func text(_ name: String) -> String { fields[name] as? String ?? "" }
    func textIfAny(_ name: String) -> String? { fields[name] as? String }
    func number(_ name: String) -> Int { fields[name] as? Int ?? 0 }
    func flag(_ name: String) -> Bool { fields[name] as? Bool ?? false }
    func list(_ name: String) -> [Any] { fields[name] as? [Any] ?? [] }
    func texts(_ name: String) -> [String] { fields[name] as? [String] ?? [] }
}

/// The cases of a file of conformance/ that are for Swift.
func vectors(_ file: String) throws -> [Vector] {
    let data = try Data(contentsOf: root.appendingPathComponent("conformance/\(file)"))
    let content = try given(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let cases = try given(content["cases"] as? [[String: Any]])
    let suites = try given(content["suites"] as? [String])
    return cases.filter { ($0["suites"] as? [String] ?? suites).contains("swift") }.map(Vector.init)
}

/// Runs the cases of a file, all of them also when some fail, and notes down for conformance/check.py how many there were.
func eachVector(_ file: String, run: (Vector) throws -> Void) throws {
    let cases = try vectors(file)
    var failed = [String]()
    for vector in cases {
        do {
            try run(vector)
        } catch {
            failed.append("\(vector.text("name")): \(error)")
        }
    }
    guard failed.isEmpty else {
        throw Unfit("\(failed.count) of \(cases.count) cases of \(file) failed:\n\(failed.joined(separator: "\n"))")
    }
    let folder = root.appendingPathComponent("target/vectors/swift")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data("\(cases.count)".utf8).write(to: folder.appendingPathComponent(file))
}

/// What has to be there.
func given<T>(_ value: T?) throws -> T {
    guard let value else { throw Unfit("there is no \(T.self)") }
    return value
}

/// Ends a case that is not as it says.
func expect(_ condition: Bool, _ otherwise: @autoclosure () -> String) throws {
    if !condition { throw Unfit(otherwise()) }
}

/// The bytes of a string, {base64}, or {repeat, times}.
func bytes(_ part: Any?) throws -> Data {
    if let text = part as? String { return Data(text.utf8) }
    let part = try given(part as? [String: Any])
    if let base64 = part["base64"] as? String { return try given(Data(base64Encoded: base64)) }
    return Data(String(repeating: try given(part["repeat"] as? String), count: try given(part["times"] as? Int)).utf8)
}

/// A value of any type that vectors have.
indirect enum Value: Codable, Hashable, Sendable {
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
        let tagged = try given(tagged as? [String: Any])
        let (kind, content) = try given(tagged.first)
        switch kind {
        case "null": self = .null
        case "boolean": self = .boolean(try given(content as? Bool))
        case "integer":
            let digits = try given(content as? String)
            self = if let number = Int64(digits) { .integer(number) } else { .natural(try given(UInt64(digits))) }
        case "float": self = .float(try given(Double(given(content as? String))))
        case "text": self = .text(String(decoding: try CMemcacheTests.bytes(content), as: UTF8.self))
        case "bytes": self = .bytes(try given(Data(base64Encoded: given(content as? String))))
        case "list": self = .list(try given(content as? [Any]).map(Value.init(tagged:)))
        case "map": self = .map(try given(content as? [String: Any]).mapValues(Value.init(tagged:)))
        default: throw Unfit("there is no type \(kind)")
        }
    }

    /// What JSON holds.
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
