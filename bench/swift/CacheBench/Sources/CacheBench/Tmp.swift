import CMemcache
import Foundation
func tmpRun(_ address: String, _ mode: String) async throws {
    let strings = try StringClient(servers: [ServerSpec(address)])
    let keys = (0..<100).map { String(format: "key%03d", $0) }
    let value = String(repeating: "v", count: 100)
    _ = try await strings.setMulti(keys.map { StoreEntry(key: $0, value: value) })
    let end = ContinuousClock.now + .seconds(4)
    var n = 0
    func blocking() throws {
        while ContinuousClock.now < end { n += 1
            if mode == "multi" { _ = try strings.getMulti(keys) } else { _ = try strings.get("key001") } }
    }
    if mode == "async" { while ContinuousClock.now < end { n += 1; _ = try await strings.get("key001") } }
    else if mode == "async64" {
        await withTaskGroup(of: Int.self) { g in
            for _ in 0..<64 { g.addTask { var c = 0; while ContinuousClock.now < end { c += 1; _ = try! await strings.get("key001") }; return c } }
            for await c in g { n += c }
        }
    } else { try blocking() }
    print(mode, n, 4e6 / Double(n), "us")
}
