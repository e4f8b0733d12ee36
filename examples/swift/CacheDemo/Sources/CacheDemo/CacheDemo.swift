// Stores and fetches Swift values in a memcached: `MEMCACHED=127.0.0.1:11211 swift run`.
import CMemcache
import Foundation

struct User: Codable, Equatable {
    var name: String
    var visits: Int
    var tags: [String]
}

func show(_ step: String, _ result: some Any) {
    print(step.padding(toLength: 52, withPad: " ", startingAt: 0), result)
}

@main struct CacheDemo {
    static func main() async throws {
        let address = ProcessInfo.processInfo.environment["MEMCACHED"] ?? "127.0.0.1:11211"
        let client = try Client(servers: [ServerSpec(address)])

        print("memcached \(try await client.version()[0].reply ?? "?") at \(address)\n")

        // Values: what is stored is what comes back.
        let ada = User(name: "Ada", visits: 1, tags: ["math"])
        try await client.set("user:42", ada, ttl: .seconds(60))
        show("a struct, stored for a minute and read back", try await client.get("user:42", as: User.self) == ada)
        try await client.set("greeting", "grüß dich")
        show("a string", try await client.get("greeting", as: String.self) ?? "a miss")
        show("a key that is not there", try await client.get("nobody", as: User.self) as Any)

        // Counting and conditions.
        try await client.set("visits", 41)
        show("41 + 1, counted by the server", try await client.incr("visits") ?? 0)
        show("add over an item that is there", try await client.add("visits", 0))
        let read = try await client.gets("user:42", as: User.self)!
        try await client.set("user:42", User(name: "Ada", visits: 2, tags: []))
        show("cas over an item that somebody changed", try await client.cas("user:42", ada, cas: read.cas))

        // Batches: one round trip, an outcome per key.
        let outcomes = try await client.setMulti(["a": 1, "b": 2, "c": 3], ttl: .seconds(60))
        show("three values in one call", outcomes.values.values.filter { $0 == .stored }.count)
        show(
            "and read in one call",
            try await client.getMulti(["a", "b", "c", "d"], as: Int.self).values.sorted { $0.key < $1.key })

        // Many tasks share one client.
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<64 {
                group.addTask {
                    for _ in 0..<100 { _ = try await client.get("user:42", as: User.self) }
                    try await client.set("task:\(task)", task)
                }
            }
            try await group.waitForAll()
        }
        show("6400 reads from 64 tasks", "\(ContinuousClock.now - start)")

        // Errors say who has to act.
        do {
            _ = try await client.get("two words", as: Int.self)
        } catch let error as CacheError {
            show("a key that is none", error)
        }
        let elsewhere = try Client(servers: ["127.0.0.1:1"])
        do {
            _ = try await elsewhere.get("k", as: Int.self)
        } catch let error as CacheError where error.code == .serverDown {
            show("a server that is not there", error)
        }
        print("\nall done")
    }
}
