import CMemcache
import Foundation
import Testing

/// The embedded server, as a user's tests have it.
@Suite struct TestServerTests {
    @Test("values are stored, expire when the clock is moved, and are counted", arguments: [WireProtocol.auto, .meta, .classic])
    func storesExpiresAndCounts(_ wire: WireProtocol) throws {
        let server = try TestServer()
        #expect(server.address == "127.0.0.1:\(server.port)" && server.spec == ServerSpec(server.address))
        let client = try Client(servers: [server.spec], options: options { $0.protocol = wire })
        try client.set("key", [1, 2], ttl: .seconds(60))
        #expect(try client.get("key", as: [Int].self) == [1, 2])
        server.advance(.seconds(61))
        #expect(try client.get("key", as: [Int].self) == nil)
        try client.delete("key")
        let counts = server.counts()
        #expect(counts.connections == 1 && counts.openConnections == 1 && counts.commands == 4)
        #expect(counts.reads == 2 && counts.hits == 1 && counts.misses == 1 && counts.stores == 1 && counts.deletes == 1)
        server.clear()
        #expect(server.counts().commands == 0)
    }

    @Test("a stopped server refuses connections and a restarted one is empty")
    func stopAndRestart() throws {
        let server = try TestServer()
        try StringClient(servers: [server.spec], options: patient).set("key", "value")
        server.stop()
        server.stop()
        let error = try failure { () throws(CacheError) in
            _ = try StringClient(servers: [server.spec], options: patient).get("key")
        }
        #expect(error.code == .serverDown)
        try server.restart()
        #expect(try StringClient(servers: [server.spec], options: patient).get("key") == nil)
    }

    @Test("a server ends with its last reference")
    func endsByItself() throws {
        var server: TestServer? = try TestServer()
        let spec = try #require(server).spec
        try StringClient(servers: [spec], options: patient).set("key", "value")
        server = nil
        let error = try failure { () throws(CacheError) in
            _ = try StringClient(servers: [spec], options: patient).get("key")
        }
        #expect(error.code == .serverDown)
    }

    @Test("limits evict and refuse")
    func limits() throws {
        var limits = TestServer.Options()
        limits.itemSizeMax = 2000
        limits.memoryLimit = 5000
        let server = try TestServer(limits)
        let client = try StringClient(servers: [server.spec], options: patient)
        for number in 0..<10 { try client.set("key\(number)", String(repeating: "x", count: 900)) }
        #expect(try client.get("key0") == nil)
        #expect(try client.get("key9") != nil)
        let error = try failure { () throws(CacheError) in try client.set("key9", String(repeating: "x", count: 3000)) }
        #expect(error.code == .valueTooLarge)
        #expect(try client.get("key9") == nil)
    }

    @Test("an old version is spoken to in the classic protocol")
    func oldVersion() throws {
        var old = TestServer.Options()
        old.version = "1.4.39"
        let server = try TestServer(old)
        let client = try StringClient(servers: [server.spec], options: patient)
        try client.set("key", "value")
        #expect(try client.get("key")?.text == "value")
        #expect(try client.version().first?.reply == "1.4.39")
        #expect(try failure { () throws(CacheError) in _ = try client.metadata("key") }.code == .unsupported)
    }

    @Test("a server that wants credentials serves nobody without")
    func credentials() throws {
        var wary = TestServer.Options()
        wary.user = "ann"
        wary.password = "s3cret"
        let server = try TestServer(wary)
        let client = try StringClient(servers: [server.spec], options: patient)
        _ = try failure { () throws(CacheError) in try client.set("key", "value") }
        #expect(server.counts().stores == 0)
    }

    @Test("options out of their range are refused by name")
    func badOptions() throws {
        func refusal(_ change: (inout TestServer.Options) -> Void) throws -> CacheError {
            var options = TestServer.Options()
            change(&options)
            let made = options
            return try failure { () throws(CacheError) in _ = try TestServer(made) }
        }
        #expect(try refusal { $0.version = "new" }.message.contains("version"))
        #expect(try refusal { $0.itemSizeMax = 10 }.message.contains("item_size_max is 10"))
        #expect(try refusal { $0.memoryLimit = 0 }.message.contains("memory_limit is 0"))
        #expect(try refusal { $0.user = "ann" }.message.contains("user and password"))
        let server = try TestServer()
        let taken = try refusal { $0.port = server.port }
        #expect(taken.code == .serverDown && taken.message.hasPrefix("cannot listen on \(server.address)"))
    }
}
