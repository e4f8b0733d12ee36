// One Swift client in a process of its own, as bench/run.py asks for it: `CacheBench CLIENT TAG` reads work from standard input,
// a line of JSON each, and answers with its times.
import Foundation

/// One kind of work; bench/work.py says what each field means.
struct Work: Decodable {
    var operation: String
    var batch: Int
    var size: Int
    var threads: Int

    var isMulti: Bool { operation.hasSuffix("_multi") }
}

private struct Order: Decodable {
    var work: Work
    var ports: [UInt16]
    var seconds: Double
}

private struct Failure: Encodable {
    var error: String
}

@main struct CacheBench {
    static func main() async throws {
        guard CommandLine.arguments.count == 3 else {
            print("usage: CacheBench CLIENT TAG")
            exit(2)
        }
        say(Data(#"{"version": ""}"#.utf8))
        var benches: [UInt16: Bench] = [:]
        while let line = readLine() {
            let order = try JSONDecoder().decode(Order.self, from: Data(line.utf8))
            do {
                let port = order.ports[0]
                let bench = benches[port] ?? Bench(client: CommandLine.arguments[1], tag: CommandLine.arguments[2], port: port)
                benches[port] = bench
                try await say(JSONEncoder().encode(measure(bench.calls(order.work), seconds: order.seconds)))
            } catch {
                // A client that fails at some work is shown with its words, and goes on with the rest.
                try say(JSONEncoder().encode(Failure(error: "\(error)")))
            }
        }
    }

    private static func say(_ line: Data) {
        FileHandle.standardOutput.write(line + Data("\n".utf8))
    }
}
