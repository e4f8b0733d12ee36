import CMemcache
import Foundation
import Testing

#if os(Linux)
    /// Memory in use by this process, in bytes.
    private func residentSize() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1])) * 1024
    }

    /// Whether some work leaves the memory as it was, once of four times: what the allocator keeps for more threads at a time it
    /// takes once or twice; what is forgotten is forgotten every time.
    private func neverGrows(by limit: Int, _ work: () async throws -> Void) async throws -> Bool {
        for _ in 0..<4 {
            let before = try residentSize()
            try await work()
            let growth = try residentSize() - before
            print("grew by \(growth) bytes")
            if growth < limit { return true }
        }
        return false
    }

    @Suite struct LeakTests {
        @Test("a million operations leave the memory as it was", .timeLimit(.minutes(5)))
        func aMillionOperations() async throws {
            let memcached = try Memcached()
            let client = try Client(servers: [memcached.server], options: patient)
            let large = String(repeating: "0123456789", count: 1000)
            /// Ten operations of all kinds: hits and misses, small and kept replies, errors.
            @Sendable func ten(_ name: String) throws {
                try client.set(name, "value")
                try #require(try client.get(name) == "value")
                try #require(try client.gets(name, as: String.self)?.value == "value")
                try #require(try client.get("missing", as: String.self) == nil)
                try client.set(name + ":large", large)
                try #require(try client.get(name + ":large") == large)
                try #require((try? client.get("two words", as: Int.self)) == nil)
                try #require((try? client.get(name, as: Int.self)) == nil)
                try #require(try client.getMulti([name, name + ":large"], as: String.self).values.count == 2)
                try client.delete(name)
            }
            func run(_ operations: Int) throws {
                try inThreads(8) { thread in
                    for _ in 0..<operations / 80 { try ten("leak:\(thread)") }
                }
            }
            try run(100_000)
            // A leak of one small object an operation would be 16 MB and more.
            #expect(try await neverGrows(by: 2 << 20) { try run(1_000_000) })
        }

        @Test("a hundred thousand async operations leave the memory as it was", .timeLimit(.minutes(5)))
        func asyncOperations() async throws {
            let memcached = try Memcached()
            let client = try StringClient(servers: [memcached.server], options: patient)
            func run(_ operations: Int) async throws {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 0..<16 {
                        group.addTask {
                            for _ in 0..<operations / 32 {
                                try await client.set("leak:\(task)", "value")
                                _ = try await client.get("leak:\(task)")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            try await run(20_000)
            #expect(try await neverGrows(by: 1 << 20) { try await run(100_000) })
        }

        @Test(
            "2000 clients that are closed or dropped leave no thread or socket behind", .serialized, .timeLimit(.minutes(2)),
            arguments: [true, false])
        func clientsComeAndGo(areClosed: Bool) async throws {
            let memcached = try Memcached()
            func run(_ count: Int) async throws {
                for _ in 0..<count {
                    let client = try StringClient(servers: [memcached.server], options: patient)
                    try await client.set("k", "v")
                    #expect(try await client.get("k")?.text == "v")
                    if areClosed { client.shutdown() }
                }
            }
            func count(_ folder: String) throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: folder).count
            }
            try await run(50)
            try await Task.sleep(for: .milliseconds(200))
            let (threads, sockets) = (try count("/proc/self/task"), try count("/proc/self/fd"))
            try await run(2000)
            let isFlat = try await comesTrue {
                try count("/proc/self/task") <= threads + 4 && count("/proc/self/fd") <= sockets + 2
            }
            #expect(isFlat)
        }
    }
#endif
