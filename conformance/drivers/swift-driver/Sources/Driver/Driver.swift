import CMemcache
import Foundation

/// Writes and reads values as conformance/matrix.py asks: a line of JSON in, a line of JSON out.
@main struct Driver {
    let plain: Client
    let compressing: Client

    static func main() throws {
        var driver: Driver?
        while let line = readLine() {
            let asked = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            let answer: [String: Any]
            if asked["op"] as? String == "open" {
                driver = try Driver(asked)
                answer = ["ok": true]
            } else if let driver {
                answer = try driver.answer(asked)
            } else {
                answer = ["broken": "open comes first"]
            }
            FileHandle.standardOutput.write(try JSONSerialization.data(withJSONObject: answer) + Data("\n".utf8))
        }
    }

    init(_ asked: [String: Any]) throws {
        let placements: [String: Placement] = [
            "modulo": .modulo, "modula": .modula, "ketama": .ketama, "ketama_weighted": .ketamaWeighted,
            "rendezvous": .rendezvous,
        ]
        var options = ClientOptions()
        options.placement = placements[asked["placement"] as? String ?? ""] ?? .modulo
        options.timeout = .seconds(20)
        options.connectTimeout = .seconds(20)
        options.maxValueSize = 0
        let servers = (asked["servers"] as? [String] ?? []).map { ServerSpec($0) }
        plain = try Client(servers: servers, options: options)
        var values = ValueOptions()
        values.compressFrom = 1000
        compressing = try Client(strings: plain.strings, values: values)
    }

    func answer(_ asked: [String: Any]) throws -> [String: Any] {
        let key = asked["key"] as? String ?? ""
        do {
            if asked["op"] as? String == "write" {
                try write(asked["compress"] as? Bool == true ? compressing : plain, key, Value(tagged: asked["value"]))
                return ["ok": true]
            }
            guard let value = try read(key, asked["like"] as? String ?? "") else { return ["miss": true] }
            return ["value": value.tagged]
        } catch let error as CacheError {
            return ["refused": error.code.description]
        } catch let error as Absent {
            return ["refused": error.reason]
        }
    }

    /// Stores a value as the Swift type that a program would have.
    private func write(_ client: Client, _ key: String, _ value: Value) throws {
        switch value {
        case .null: try client.set(key, Value?.none)
        case .boolean(let value): try client.set(key, value)
        case .integer(let value): try client.set(key, value)
        case .natural(let value): try client.set(key, value)
        case .float(let value): try client.set(key, value)
        case .text(let value): try client.set(key, value)
        case .bytes(let value): try client.set(key, value)
        case .list, .map: try client.set(key, value)
        }
    }

    /// Reads a value as the Swift type that a program would ask for; `nil` on a miss.
    private func read(_ key: String, _ kind: String) throws -> Value? {
        switch kind {
        case "boolean": try plain.get(key, as: Bool.self).map(Value.boolean)
        case "integer": try plain.get(key, as: Int64.self).map(Value.integer)
        case "natural": try plain.get(key, as: UInt64.self).map(Value.natural)
        case "float": try plain.get(key, as: Double.self).map(Value.float)
        case "text": try plain.get(key, as: String.self).map(Value.text)
        case "bytes": try plain.get(key, as: Data.self).map(Value.bytes)
        default: try plain.get(key, as: Value?.self).map { $0 ?? .null }
        }
    }
}
