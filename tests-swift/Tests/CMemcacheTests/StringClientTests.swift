import CMemcache
import Foundation
import Testing

/// Every operation on bytes, once over the meta protocol and once over the classic one.
@Suite struct StringClientTests {
    let memcached: Memcached

    init() throws {
        memcached = try Memcached()
    }

    private func client(_ wire: WireProtocol) throws -> StringClient {
        var options = patient
        options.protocol = wire
        return try StringClient(servers: [memcached.server], options: options)
    }

    @Test("a stored value comes back with its flags", arguments: [WireProtocol.meta, .classic])
    func storedValueComesBack(_ wire: WireProtocol) throws {
        let client = try client(wire)
        #expect(try client.set("text", "grüße", flags: 16) == .stored)
        #expect(try client.set("bytes", Data([0, 13, 10, 255])) == .stored)
        #expect(try client.set("list", [UInt8](0...20), flags: UInt32.max) == .stored)
        #expect(try client.get("text") == Item(value: Data("grüße".utf8), flags: 16))
        #expect(try client.get("text")?.text == "grüße")
        #expect(try client.get("bytes") == Item(value: Data([0, 13, 10, 255])))
        #expect(try client.get("list") == Item(value: Data(0...20), flags: UInt32.max))
    }

    @Test("keys may be text or bytes", arguments: [WireProtocol.meta, .classic])
    func keysMayBeTextOrBytes(_ wire: WireProtocol) throws {
        let client = try client(wire)
        try client.set("schlüssel", "v")
        #expect(try client.get(Data("schlüssel".utf8))?.text == "v")
        #expect(try client.get(Array("schlüssel".utf8))?.text == "v")
    }

    @Test("a miss is nil and not an error", arguments: [WireProtocol.meta, .classic])
    func aMissIsNil(_ wire: WireProtocol) throws {
        let client = try client(wire)
        #expect(try client.get("missing") == nil)
        #expect(try client.gets("missing") == nil)
        #expect(try client.getAndTouch("missing", ttl: .seconds(9)) == nil)
        #expect(try client.getsAndTouch("missing", ttl: nil) == nil)
        #expect(try client.incr("missing") == nil)
        #expect(try client.decr("missing") == nil)
        #expect(try client.touch("missing", ttl: nil) == false)
        #expect(try client.delete("missing") == false)
        if wire == .meta {
            #expect(try client.metadata("missing") == nil)
        }
    }

    @Test("an empty value and a value of 3 MiB are values like others", arguments: [WireProtocol.meta, .classic])
    func valuesOfAllSizes(_ wire: WireProtocol) throws {
        let large = try Memcached("-I", "8m")
        let client = try StringClient(
            servers: [large.server],
            options: options {
                $0.protocol = wire
                $0.maxValueSize = 8 << 20
                $0.timeout = .seconds(20)
            })
        // Around the capacity of the reply buffer, where a value begins to be kept by the core.
        for size in [0, 1, 4079, 4080, 4081, 4096, 65_536, 3 << 20] {
            let value = Data((0..<size).map { UInt8(truncatingIfNeeded: $0 * 7) })
            try client.set("size", value)
            #expect(try client.get("size")?.value == value, "\(size) bytes")
        }
    }

    @Test("each store keeps to its condition", arguments: [WireProtocol.meta, .classic])
    func storesKeepToTheirConditions(_ wire: WireProtocol) throws {
        let client = try client(wire)
        #expect(try client.replace("k", "v") == .notStored)
        #expect(try client.append("k", "v") == .notStored)
        #expect(try client.prepend("k", "v") == .notStored)
        #expect(try client.add("k", "b", flags: 7) == .stored)
        #expect(try client.add("k", "x") == .notStored)
        #expect(try client.append("k", "c") == .stored)
        #expect(try client.prepend("k", "a") == .stored)
        #expect(try client.get("k") == Item(value: Data("abc".utf8), flags: 7))
        #expect(try client.replace("k", "new") == .stored)
        #expect(try client.get("k")?.text == "new")
    }

    @Test("cas stores only over the item that was read", arguments: [WireProtocol.meta, .classic])
    func casStoresOnlyOverWhatWasRead(_ wire: WireProtocol) throws {
        let client = try client(wire)
        #expect(try client.cas("k", "v", cas: 1) == .notFound)
        try client.set("k", "one")
        let token = try #require(try client.gets("k")?.cas)
        #expect(try client.get("k")?.cas == nil)
        #expect(try client.getsAndTouch("k", ttl: nil)?.cas != nil)
        #expect(try client.cas("k", "two", cas: token, flags: 3) == .stored)
        #expect(try client.cas("k", "three", cas: token) == .exists)
        #expect(try client.get("k") == Item(value: Data("two".utf8), flags: 3))
    }

    @Test("incr wraps, decr stops at zero, an initial value makes the item", arguments: [WireProtocol.meta, .classic])
    func countersCount(_ wire: WireProtocol) throws {
        let client = try client(wire)
        try client.set("n", "18446744073709551615")
        #expect(try client.incr("n", by: 2) == 1)
        #expect(try client.decr("n", by: 5) == 0)
        #expect(try client.incr("fresh", by: 5, initial: 40, ttl: .seconds(100)) == 40)
        #expect(try client.incr("fresh", by: 2, initial: 40) == 42)
        try client.set("word", "seven")
        #expect(try failure { () throws(CacheError) in _ = try client.incr("word") }.code == .notNumeric)
    }

    @Test("times to live are kept, and those past 30 days too")
    func timesToLive() throws {
        let client = try client(.meta)
        func rest(_ ttl: Duration?) throws -> Duration? {
            try client.set("k", "v", ttl: ttl)
            return try #require(try client.metadata("k")).ttl
        }
        #expect(try rest(nil) == nil)
        #expect((.seconds(70) ... .seconds(100)).contains(try #require(try rest(.seconds(100)))))
        let days = try #require(try rest(.seconds(40 * 86_400)))
        #expect((Duration.seconds(40 * 86_400 - 30)...Duration.seconds(40 * 86_400)).contains(days))
        // A part of a second counts whole: never none at all.
        // The server's clock may tick before the touch.
        let isThere = try (0..<100).contains { _ in
            try client.set("k", "v", ttl: .milliseconds(1))
            return try client.touch("k", ttl: .seconds(50))
        }
        #expect(isThere)
        #expect((.seconds(20) ... .seconds(50)).contains(try #require(try client.metadata("k")?.ttl)))
        #expect(try client.getAndTouch("k", ttl: nil)?.text == "v")
        #expect(try #require(try client.metadata("k")).ttl == nil)
        for past in [Duration.zero, .seconds(-5)] {
            try client.set("k", "v", ttl: past)
            #expect(try client.get("k") == nil)
        }
    }

    @Test("metadata tells what the server knows of an item")
    func metadataTells() throws {
        let client = try client(.meta)
        try client.set("k", "value")
        let fresh = try #require(try client.metadata("k"))
        let token = try client.gets("k")?.cas
        #expect(fresh.fetched == false && fresh.size > 5 && fresh.cas == token)
        #expect(try #require(try client.metadata("k")).fetched)
    }

    @Test("a batch answers key by key, in any number", arguments: [WireProtocol.meta, .classic])
    func batchesAnswerKeyByKey(_ wire: WireProtocol) throws {
        let client = try client(wire)
        #expect(try client.getMulti([String]()).values.isEmpty)
        let keys = (0..<1000).map { "key:\($0)" }
        let entries = keys.enumerated().map { StoreEntry(key: $1, value: "value \($0)", flags: UInt32($0)) }
        let stored = try client.setMulti(entries, ttl: .seconds(60))
        #expect(stored.errors.isEmpty && stored.values.count == 1000 && stored.values.values.allSatisfy { $0 == .stored })
        let found = try client.getMulti(keys + ["missing"])
        #expect(found.values.count == 1000 && found.errors.isEmpty && found["missing"] == nil)
        #expect(found["key:17"] == Item(value: Data("value 17".utf8), flags: 17))
        let tokens = try client.getsMulti(["key:1", "key:2"])
        #expect(try tokens["key:1"]?.cas == client.gets("key:1")?.cas)
        #expect(tokens["key:1"]?.cas != nil && tokens["key:1"]?.cas != tokens["key:2"]?.cas)
        let deleted = try client.deleteMulti(["key:1", "missing"])
        #expect(deleted["key:1"] == true && deleted["missing"] == false)
        #expect(try client.getMulti(["key:1", "key:2"]).get().count == 1)
    }

    @Test("a large batch of large values comes back whole", arguments: [WireProtocol.meta, .classic])
    func largeBatches(_ wire: WireProtocol) throws {
        let client = try client(wire)
        let value = Data((0..<20_000).map { UInt8(truncatingIfNeeded: $0) })
        let entries = (0..<200).map { StoreEntry(key: "k\($0)", value: value + Data("\($0)".utf8)) }
        #expect(try client.setMulti(entries).errors.isEmpty)
        let found = try client.getMulti(entries.map(\.key))
        #expect(found.values.count == 200)
        #expect(found.values.allSatisfy { $0.value.value == value + Data($0.key.dropFirst().utf8) })
    }

    @Test("calls about servers name each server")
    func callsAboutServers() throws {
        let other = try Memcached()
        let client = try StringClient(servers: [memcached.server, other.server], options: patient)
        #expect(try client.version().map(\.server) == [memcached.address, other.address])
        #expect(try client.version().allSatisfy { $0.reply?.hasPrefix("1.") == true && $0.error == nil })
        #expect(try client.verbosity(0).allSatisfy { $0.reply != nil })
        let stats = try client.stats()
        #expect(stats.map(\.server) == [memcached.address, other.address])
        #expect(stats[0].stats["pid"] == "\(memcached.processId)" && stats[0].weight == 1)
        #expect(try client.stats("settings")[1].stats["tcpport"] == "\(other.port)")
        try client.set("k", "v")
        #expect(try client.flushAll().allSatisfy { $0.error == nil })
        #expect(try client.get("k") == nil)
    }

    @Test("metrics count, servers can be replaced, marked down and used again")
    func serversCanBeReplaced() throws {
        let client = try StringClient(servers: [memcached.server], options: patient)
        try client.set("k", "v")
        _ = try client.get("k")
        _ = try client.get("missing")
        let metrics = client.metrics()[0]
        #expect(metrics.server == memcached.address && metrics.hits == 1 && metrics.misses == 1)
        #expect(metrics.operations == 3 && metrics.state == .up && metrics.bytesWritten > 0 && metrics.inFlight == 0)
        try client.markDown(memcached.address, for: .seconds(60))
        #expect(client.metrics()[0].state == .down && client.metrics()[0].downFor > .seconds(1))
        #expect(try failure { () throws(CacheError) in _ = try client.get("k") }.code == .serverDown)
        client.forgetDeadHosts()
        #expect(try client.get("k")?.text == "v")
        client.disconnectAll()
        #expect(try client.get("k")?.text == "v")
        let other = try Memcached()
        try client.setServers([other.server])
        #expect(try client.get("k") == nil)
        #expect(client.metrics().map(\.server) == [other.address])
    }

    @Test("after shutdown every call says that the client is closed")
    func shutdownCloses() async throws {
        let client = try StringClient(servers: [memcached.server], options: patient)
        client.shutdown()
        #expect(try failure { () throws(CacheError) in _ = try client.get("k") }.code == .closed)
        #expect(try failure { () throws(CacheError) in _ = try client.stats() }.code == .closed)
        let error = try await failure { _ = try await client.getMulti(["a", "b"]) }
        #expect((error as? CacheError)?.code == .closed)
    }

    @Test("a key prefix stands in front of every key, and binary keys hold any byte")
    func prefixesAndBinaryKeys() throws {
        let plain = try client(.meta)
        let prefixed = try StringClient(
            servers: [memcached.server], options: options { $0.keyPrefix = Data("app:".utf8) })
        try prefixed.set("k", "v")
        #expect(try plain.get("app:k")?.text == "v")
        #expect(try prefixed.getMulti(["k"])["k"]?.text == "v")
        let binary = try StringClient(servers: [memcached.server], options: options { $0.binaryKeys = true })
        let key: [UInt8] = [0, 10, 32, 127, 255]
        try binary.set(key, "any byte")
        #expect(try binary.get(key)?.text == "any byte")
        #expect(try binary.getMulti([key])[key]?.text == "any byte")
    }

    @Test("each operation has an async form that does the same")
    func asyncForms() async throws {
        let client = try StringClient(servers: [memcached.server], options: patient)
        try await client.set("k", "b", flags: 7, ttl: .seconds(50))
        #expect(try await client.get("k") == Item(value: Data("b".utf8), flags: 7))
        #expect(try await client.add("k", "x") == .notStored)
        #expect(try await client.replace("none", "x") == .notStored)
        #expect(try await client.append("k", "c") == .stored)
        #expect(try await client.prepend("k", "a") == .stored)
        #expect(try await client.getAndTouch("k", ttl: nil)?.text == "abc")
        let token = try #require(try await client.gets("k")?.cas)
        #expect(try await client.cas("k", "1", cas: token) == .stored)
        #expect(try await client.getsAndTouch("k", ttl: .seconds(9))?.cas != token)
        #expect(try await client.incr("k", by: 4) == 5)
        #expect(try await client.decr("k") == 4)
        #expect(try await client.touch("k", ttl: .seconds(9)))
        #expect(try await client.metadata("k")?.cas != nil)
        #expect(try await client.setMulti([StoreEntry(key: "m", value: "v")])["m"] == .stored)
        #expect(try await client.getMulti(["m"])["m"]?.text == "v")
        #expect(try await client.getsMulti(["m"])["m"]?.cas != nil)
        #expect(try await client.deleteMulti(["m"])["m"] == true)
        #expect(try await client.delete("k"))
        #expect(try await client.version()[0].reply != nil)
        #expect(try await client.verbosity(0)[0].error == nil)
        #expect(try await client.stats("settings")[0].stats["tcpport"] == "\(memcached.port)")
        #expect(try await client.flushAll()[0].error == nil)
    }
}
