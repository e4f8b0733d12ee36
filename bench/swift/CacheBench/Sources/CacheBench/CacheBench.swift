// Measures the Swift package beside a bare socket loop: `MEMCACHED=127.0.0.1:11211 swift run -c release CacheBench FOLDER`
// writes FOLDER/swift.json and FOLDER/swift.md.
import CMemcache
import Foundation

private let valueLength = 100
private let batchLength = 100
private let rounds = 9
private let roundTime = Duration.milliseconds(600)

/// A row of the table: a way to do an operation, from so many callers.
private struct Case {
    let operation: String
    let way: String
    let callers: Int
    let make: (Int) throws -> Caller
}

private let ways = [
    "raw socket loop, blocking", "StringClient, blocking", "StringClient, async", "Client, blocking", "Client, async",
]

private func cases(port: UInt16) throws -> [Case] {
    let strings = try StringClient(servers: [ServerSpec("127.0.0.1:\(port)")])
    let client = try Client(strings: strings)
    let value = String(repeating: "v", count: valueLength)
    let keys = (0..<batchLength).map { String(format: "key%03d", $0) }
    guard try client.setMulti(Dictionary(uniqueKeysWithValues: keys.map { ($0, value) })).errors.isEmpty else {
        throw Fault("the values could not be stored")
    }
    let key = keys[0]
    let bytes = Data(value.utf8)

    func raw(_ request: String, _ replyLength: Int) -> (Int) throws -> Caller {
        { _ in
            let socket = try RawSocket(port: port)
            let request = Array(request.utf8)
            return .blocking { try socket.exchange(request, replyLength: replyLength) }
        }
    }
    let hit = "VALUE \(key) 16 \(valueLength)\r\n".utf8.count + valueLength + 2
    let operations: [(String, [(Int) throws -> Caller])] = [
        (
            "get",
            [
                raw("get \(key)\r\n", hit + 5),
                { _ in .blocking { guard try strings.get(key)?.value.count == valueLength else { throw Fault("no hit") } } },
                { _ in .async { guard try await strings.get(key)?.value.count == valueLength else { throw Fault("no hit") } } },
                { _ in .blocking { guard try client.get(key) == value else { throw Fault("no hit") } } },
                { _ in .async { guard try await client.get(key) == value else { throw Fault("no hit") } } },
            ]
        ),
        (
            "set",
            [
                raw("set other 0 0 \(valueLength)\r\n\(value)\r\n", 8),
                { _ in .blocking { try strings.set("other", bytes) } },
                { _ in .async { try await strings.set("other", bytes) } },
                { _ in .blocking { try client.set("other", value) } },
                { _ in .async { try await client.set("other", value) } },
            ]
        ),
        (
            "getMulti(\(batchLength))",
            [
                raw("get \(keys.joined(separator: " "))\r\n", hit * batchLength + 5),
                { _ in .blocking { guard try strings.getMulti(keys).values.count == keys.count else { throw Fault("no hit") } } },
                { _ in
                    .async { guard try await strings.getMulti(keys).values.count == keys.count else { throw Fault("no hit") } }
                },
                { _ in
                    .blocking {
                        guard try client.getMulti(keys, as: String.self).values.count == keys.count else { throw Fault("no hit") }
                    }
                },
                { _ in
                    .async {
                        let found = try await client.getMulti(keys, as: String.self)
                        guard found.values.count == keys.count else { throw Fault("no hit") }
                    }
                },
            ]
        ),
    ]
    return operations.flatMap { operation, makers in
        [1, 64].flatMap { callers in
            zip(ways, makers).map { Case(operation: operation, way: $0, callers: callers, make: $1) }
        }
    }
}

@main struct CacheBench {
    static func main() async throws {
        let address = ProcessInfo.processInfo.environment["MEMCACHED"] ?? ""
        guard CommandLine.arguments.count == 2, let port = address.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            print("usage: MEMCACHED=127.0.0.1:port CacheBench FOLDER")
            exit(2)
        }
        let all = try cases(port: port)
        var samples = [[Sample]](repeating: [], count: all.count)
        // Round by round, so that what else the machine does hits all cases alike.
        for round in 1...rounds {
            for (index, one) in all.enumerated() {
                let callers = try (0..<one.callers).map(one.make)
                samples[index].append(try await measure(callers, for: roundTime))
            }
            print("round \(round) of \(rounds)")
        }
        let rows = zip(all, samples).map { one, samples in
            Row(
                operation: one.operation, way: one.way, callers: one.callers,
                perSecond: median(samples.map(\.perSecond)), cpu: median(samples.map(\.cpu)))
        }
        let version = try await StringClient(servers: [ServerSpec(address)]).version()[0].reply ?? "?"
        var load = 0.0
        getloadavg(&load, 1)
        try Report(rows: rows, memcached: version, rounds: rounds, seconds: roundTime / .seconds(1), load: load)
            .write(to: URL(fileURLWithPath: CommandLine.arguments[1]))
    }
}
