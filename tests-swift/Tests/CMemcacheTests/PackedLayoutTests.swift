import Foundation
import Testing

@testable import CMemcache

/// The shared vectors of the packed layout: what is sent for each call, and what is made of each reply.
@Suite struct PackedLayoutTests {
    @Test("every exchange of the shared vectors is as they say")
    func exchanges() throws {
        try eachVector("packed.json") { vector in
            let exchange = Exchange(fields: vector.fields)
            let seen = Seen()
            let packed = PackedCall { request, value, reply in
                seen.note(Data(request), Data(value))
                reply.copyBytes(from: exchange.reply)
                return .success(exchange.reply.count)
            }
            let result = exchange.run(packed)
            try expect(seen.request == exchange.request, "asked \(Array(seen.request))")
            try expect(seen.value == exchange.payload, "gave \(Array(seen.value))")
            try expect(result as NSDictionary == exchange.expect as NSDictionary, "made \(result)")
        }
    }

    @Test("the library carries out what these requests say")
    func libraryAgrees() throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: patient)
        #expect(try client.packed.store(.set, "k", "v", flags: 5, ttl: .seconds(60), timeout: 900) == .stored)
        #expect(try client.packed.get(.get, "k", timeout: 900) == Item(value: Data("v".utf8), flags: 5))
    }

    @Test("a malformed request is an error of the library and never more")
    func malformedRequests() throws {
        let client = try StringClient(servers: ["127.0.0.1:1"])
        let valid: [UInt8] = [2, 16, 4, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 97, 98]
        var requests = (0..<valid.count).map { Array(valid.prefix($0)) }
        requests += [[9] + valid.dropFirst(), [2, 99] + valid.dropFirst(2), valid + [0]]
        requests.append(Array(valid.prefix(8)) + [255, 255, 255, 255] + valid.dropFirst(12))
        for request in requests {
            let status = request.withUnsafeBytes { client.packed.run($0) { head, _ in head.status } }
            #expect(try status.get().rawValue == CacheError.Code.invalidArgument.rawValue, "\(request)")
        }
    }
}

private final class Seen: @unchecked Sendable {
    private(set) var request = Data()
    private(set) var value = Data()
    func note(_ request: Data, _ value: Data) { (self.request, self.value) = (request, value) }
}

/// A case of conformance/packed.json.
private struct Exchange: @unchecked Sendable {
    let fields: [String: Any]

    var request: Data { Data(hex: text(fields["request_with_lengths"] == nil ? "request" : "request_with_lengths")) }
    var payload: Data { Data(hex: text("payload")) }
    var reply: Data { Data(hex: text("reply")) }
    var expect: [String: Any] { fields["expect"] as? [String: Any] ?? [:] }

    private func text(_ name: String) -> String { fields[name] as? String ?? "" }
    private func number(_ name: String) -> Int { fields[name] as? Int ?? 0 }
    private var keys: [String] { fields["keys"] as? [String] ?? [] }
    private var ttl: Duration? { number("exptime") == 0 ? nil : .seconds(number("exptime")) }
    private var timeout: UInt32 { UInt32(number("timeout")) }

    /// Makes the call and tells its result as the vectors do.
    func run(_ packed: PackedCall) -> [String: Any] {
        do {
            return try call(packed)
        } catch  where error.code == .internalFault {
            return ["malformed": true]
        } catch {
            return told(error)
        }
    }

    private func call(_ packed: PackedCall) throws(CacheError) -> [String: Any] {
        let key = text("key")
        let value = text("value")
        let flags = UInt32(number("flags"))
        switch text("operation") {
        case "get": return told(try packed.get(.get, key, timeout: timeout))
        case "gets": return told(try packed.get(.gets, key, timeout: timeout))
        case "gat": return told(try packed.getAndTouch(.gat, key, ttl: ttl, timeout: timeout))
        case "gats": return told(try packed.getAndTouch(.gats, key, ttl: ttl, timeout: timeout))
        case "set": return told(try packed.store(.set, key, value, flags: flags, ttl: ttl, timeout: timeout))
        case "add": return told(try packed.store(.add, key, value, flags: flags, ttl: ttl, timeout: timeout))
        case "replace": return told(try packed.store(.replace, key, value, flags: flags, ttl: ttl, timeout: timeout))
        case "cas":
            let cas = UInt64(text("cas"))
            return told(try packed.store(.cas, key, value, flags: flags, ttl: ttl, cas: cas, timeout: timeout))
        case "append": return told(try packed.extend(.append, key, value, timeout: timeout))
        case "prepend": return told(try packed.extend(.prepend, key, value, timeout: timeout))
        case "delete": return ["done": try packed.delete(key, timeout: timeout)]
        case "touch": return ["done": try packed.touch(key, ttl: ttl, timeout: timeout)]
        case "incr": return told(try count(packed, .incr))
        case "decr": return told(try count(packed, .decr))
        case "get_multi": return told(try packed.getMulti(.getMulti, keys, timeout: timeout), keys) { told($0) }
        case "gets_multi": return told(try packed.getMulti(.getsMulti, keys, timeout: timeout), keys) { told($0) }
        case "delete_multi": return told(try packed.deleteMulti(keys, timeout: timeout), keys) { ["done": $0] }
        case "set_multi":
            let entries = (fields["entries"] as? [[String: Any]] ?? []).map {
                StoreEntry(
                    key: $0["key"] as? String ?? "", value: $0["value"] as? String ?? "", flags: UInt32($0["flags"] as? Int ?? 0))
            }
            let result = try packed.setMulti(entries, ttl: ttl, timeout: timeout)
            return told(result, entries.map(\.key)) { told($0) }
        default: return ["unknown operation": text("operation")]
        }
    }

    private func count(_ packed: PackedCall, _ operation: PackedOperation) throws(CacheError) -> UInt64? {
        try packed.count(
            operation, text("key"), by: UInt64(text("delta")) ?? 0, initial: UInt64(text("initial")), ttl: ttl,
            timeout: timeout)
    }

    private func told(_ item: Item?) -> [String: Any] {
        guard let item else { return ["miss": true] }
        var told: [String: Any] = ["value": item.text ?? "", "flags": Int(item.flags)]
        told["cas"] = item.cas.map { "\($0)" }
        return ["item": told]
    }

    private func told(_ outcome: StoreOutcome) -> [String: Any] {
        switch outcome {
        case .stored: ["outcome": "stored"]
        case .notStored: ["outcome": "not_stored"]
        case .exists: ["outcome": "exists"]
        case .notFound: ["outcome": "not_found"]
        }
    }

    private func told(_ number: UInt64?) -> [String: Any] {
        number.map { ["number": "\($0)"] } ?? ["miss": true]
    }

    private func told(_ error: CacheError) -> [String: Any] {
        [
            "error": [
                "kind": Int(error.code.rawValue), "message": error.message, "server": error.server as Any? ?? NSNull(),
                "phase": error.phase?.name as Any? ?? NSNull(), "outcome_unknown": error.outcomeUnknown,
            ]
        ]
    }

    private func told<V>(
        _ result: MultiResult<String, V>, _ keys: [String], _ value: (V) -> [String: Any]
    ) -> [String: Any] {
        ["entries": keys.map { key in result.errors[key].map(told) ?? result.values[key].map(value) ?? ["miss": true] }]
    }
}

extension Data {
    fileprivate init(hex: String) {
        self.init()
        var rest = Substring(hex)
        while !rest.isEmpty {
            append(UInt8(rest.prefix(2), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
    }
}
