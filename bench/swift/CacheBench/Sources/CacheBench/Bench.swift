import CMemcache
import Foundation

/// Keys and values that belong together.
private struct Pairs {
    var keys: [String]
    var value: Data
    var text: String
}

/// A client that does work against one server, with keys that are nobody else's.
final class Bench {
    private let client: String
    private let tag: String
    private let port: UInt16
    private var opened: (StringClient, Client)?
    private var sockets: [RawSocket] = []
    private var stored: [[Int]: Pairs] = [:]

    init(client: String, tag: String, port: UInt16) {
        self.client = client
        self.tag = tag
        self.port = port
    }

    /// The calls of some work, after its values were stored and read once.
    func calls(_ work: Work) throws -> [Call] {
        let count = work.isMulti ? work.batch : work.size <= 10_000 ? 100 : 8
        let pairs = try store(count: count, size: work.size)
        return try (0..<work.threads).map { try call(work.operation, pairs, caller: $0) }
    }

    private func clients() throws -> (StringClient, Client) {
        if let opened { return opened }
        let strings = try StringClient(servers: [ServerSpec("127.0.0.1:\(port)")])
        let made = (strings, try Client(strings: strings))
        opened = made
        return made
    }

    /// The same values for all forms of the client: `Client` reads text that `StringClient` stored with the flags of text.
    private func store(count: Int, size: Int) throws -> Pairs {
        if let known = stored[[count, size]] { return known }
        let letter = String(UnicodeScalar(UInt8(97 + String(size).count)))
        let text = String(repeating: "v", count: size)
        let keys = (0..<count).map { tag + letter + String(repeating: "0", count: max(0, 4 - String($0).count)) + String($0) }
        let pairs = Pairs(keys: keys, value: Data(text.utf8), text: text)
        let (strings, typed) = try clients()
        for key in keys {
            try typed.set(key, text)
            guard try strings.get(key)?.value == pairs.value else { throw Fault("\(key) does not come back") }
        }
        stored[[count, size]] = pairs
        return pairs
    }

    private func call(_ operation: String, _ pairs: Pairs, caller: Int) throws -> Call {
        let (strings, typed) = try clients()
        switch client {
        case "wire":
            while sockets.count <= caller { sockets.append(try RawSocket(port: port)) }
            return try wire(operation, pairs, sockets[caller])
        case "cmemcache": return try blocking(operation, pairs, strings)
        case "cmemcache-async": return try async(operation, pairs, strings)
        case "cmemcache-codable": return try blocking(operation, pairs, typed)
        case "cmemcache-codable-async": return try async(operation, pairs, typed)
        default: throw Fault("\(client) is no client")
        }
    }

    private func blocking(_ operation: String, _ pairs: Pairs, _ client: StringClient) throws -> Call {
        let (keys, value) = (pairs.keys, pairs.value)
        let entries = keys.map { StoreEntry(key: $0, value: value) }
        switch operation {
        case "get": return .blocking { try check(client.get(keys[$0 % keys.count])?.value.count, value.count) }
        case "set": return .blocking { try client.set(keys[$0 % keys.count], value) }
        case "get_multi": return .blocking { _ in try check(client.getMulti(keys).values.count, keys.count) }
        case "set_multi": return .blocking { _ in try check(client.setMulti(entries).errors.count, 0) }
        default: throw Fault("\(operation) is no operation")
        }
    }

    private func async(_ operation: String, _ pairs: Pairs, _ client: StringClient) throws -> Call {
        let (keys, value) = (pairs.keys, pairs.value)
        let entries = keys.map { StoreEntry(key: $0, value: value) }
        switch operation {
        case "get": return .async { try await check(client.get(keys[$0 % keys.count])?.value.count, value.count) }
        case "set": return .async { try await client.set(keys[$0 % keys.count], value) }
        case "get_multi": return .async { _ in try await check(client.getMulti(keys).values.count, keys.count) }
        case "set_multi": return .async { _ in try await check(client.setMulti(entries).errors.count, 0) }
        default: throw Fault("\(operation) is no operation")
        }
    }

    private func blocking(_ operation: String, _ pairs: Pairs, _ client: Client) throws -> Call {
        let (keys, text) = (pairs.keys, pairs.text)
        let entries = Dictionary(uniqueKeysWithValues: keys.map { ($0, text) })
        switch operation {
        case "get":
            return .blocking { try check(client.get(keys[$0 % keys.count], as: String.self)?.utf8.count, text.utf8.count) }
        case "set": return .blocking { try client.set(keys[$0 % keys.count], text) }
        case "get_multi": return .blocking { _ in try check(client.getMulti(keys, as: String.self).values.count, keys.count) }
        case "set_multi": return .blocking { _ in try check(client.setMulti(entries).errors.count, 0) }
        default: throw Fault("\(operation) is no operation")
        }
    }

    private func async(_ operation: String, _ pairs: Pairs, _ client: Client) throws -> Call {
        let (keys, text) = (pairs.keys, pairs.text)
        let entries = Dictionary(uniqueKeysWithValues: keys.map { ($0, text) })
        switch operation {
        case "get":
            return .async { try await check(client.get(keys[$0 % keys.count], as: String.self)?.utf8.count, text.utf8.count) }
        case "set": return .async { try await client.set(keys[$0 % keys.count], text) }
        case "get_multi": return .async { _ in try await check(client.getMulti(keys, as: String.self).values.count, keys.count) }
        case "set_multi": return .async { _ in try await check(client.setMulti(entries).errors.count, 0) }
        default: throw Fault("\(operation) is no operation")
        }
    }

    /// Requests of the classic protocol, made beforehand. The flags in replies are those of the values as they are stored.
    private func wire(_ operation: String, _ pairs: Pairs, _ socket: RawSocket) throws -> Call {
        let (keys, size) = (pairs.keys, pairs.value.count)
        let flags = try clients().0.get(keys[0])?.flags ?? 0
        let reads = keys.map { Array("get \($0)\r\n".utf8) }
        let writes = keys.map { Array("set \($0) \(flags) 0 \(size)\r\n\(pairs.text)\r\n".utf8) }
        let heads = keys.map { "VALUE \($0) \(flags) \(size)\r\n".utf8.count + size + 2 }
        let (allReads, allWrites) = (Array("get \(keys.joined(separator: " "))\r\n".utf8), writes.flatMap { $0 })
        let end = "END\r\n".utf8.count
        let stored = "STORED\r\n".utf8.count
        switch operation {
        case "get": return .blocking { try socket.exchange(reads[$0 % keys.count], replyLength: heads[$0 % keys.count] + end) }
        case "set": return .blocking { try socket.exchange(writes[$0 % keys.count], replyLength: stored) }
        case "get_multi": return .blocking { _ in try socket.exchange(allReads, replyLength: heads.reduce(end, +)) }
        case "set_multi": return .blocking { _ in try socket.exchange(allWrites, replyLength: stored * keys.count) }
        default: throw Fault("\(operation) is no operation")
        }
    }
}

private func check(_ found: Int?, _ wanted: Int) throws {
    guard found == wanted else { throw Fault("\(found.map(String.init) ?? "a miss") instead of \(wanted)") }
}
