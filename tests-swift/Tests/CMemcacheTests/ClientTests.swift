import CMemcache
import Foundation
import Testing

private struct User: Codable, Equatable {
    enum Role: String, Codable { case admin, guest }
    var name: String
    var visits: Int
    var score: Double?
    var role: Role
    var tags: [String]
}

@Suite struct ClientTests {
    let memcached: Memcached
    let client: Client

    init() throws {
        memcached = try Memcached()
        client = try Client(servers: [memcached.server], options: patient)
    }

    private func stored(_ value: some Encodable) throws -> Item {
        try client.set("k", value)
        return try #require(try client.strings.get("k"))
    }

    @Test("values are stored in the bytes and flags that every language reads")
    func bytesAndFlags() throws {
        #expect(try stored("grüße") == Item(value: Data("grüße".utf8), flags: 16))
        #expect(try stored(Data([1, 0])) == Item(value: Data([1, 0]), flags: 0))
        #expect(try stored([UInt8]([1, 0])) == Item(value: Data([1, 0]), flags: 0))
        #expect(try stored(-5) == Item(value: Data("-5".utf8), flags: 2))
        #expect(try stored(UInt64.max) == Item(value: Data("18446744073709551615".utf8), flags: 2))
        #expect(try stored(Int8(7)) == Item(value: Data("7".utf8), flags: 2))
        #expect(try stored(true) == Item(value: Data("true".utf8), flags: 98304))
        #expect(try stored(2.5) == Item(value: Data("2.5".utf8), flags: 98304))
        #expect(try stored(-0.0) == Item(value: Data("-0.0".utf8), flags: 98304))
        #expect(try stored(Float(3)) == Item(value: Data("3.0".utf8), flags: 98304))
        #expect(try stored(Optional<Int>.none) == Item(value: Data("null".utf8), flags: 98304))
        #expect(try stored(Optional(5)) == Item(value: Data("5".utf8), flags: 2))
        #expect(try stored([1, 2]) == Item(value: Data("[1,2]".utf8), flags: 98304))
        #expect(try stored(["a": [1.5]]) == Item(value: Data("{\"a\":[1.5]}".utf8), flags: 98304))
        #expect(try stored(Date(timeIntervalSince1970: 12.5)) == Item(value: Data("12.5".utf8), flags: 98304))
    }

    private func comesBack<V: Codable & Equatable>(_ value: V) throws {
        try client.set("k", value)
        #expect(try client.get("k") == value)
        #expect(try client.get("k", as: V?.self) == .some(value))
    }

    @Test("values come back as what they were")
    func valuesComeBack() throws {
        try comesBack("text\r\n\u{FEFF}\u{0}")
        try comesBack("\u{FEFF}mark")
        try comesBack("")
        try comesBack(Data((0...255).map { UInt8($0) }))
        try comesBack(Data())
        try comesBack([UInt8]([3, 2, 1]))
        try comesBack(Int.min)
        try comesBack(UInt64.max)
        try comesBack(Int16(-3))
        try comesBack(true)
        try comesBack(-0.1)
        try comesBack(Double.greatestFiniteMagnitude)
        try comesBack(Float(1.25))
        try comesBack([Int]())
        try comesBack(["a": ["b": [1, 2]]])
        try comesBack([Optional(1), nil])
        try comesBack(UUID())
        try comesBack(User.Role.guest)
        try comesBack(User(name: "Ada \"\\", visits: 3, score: nil, role: .admin, tags: ["x", "ü"]))
    }

    @Test("a stored nil is told from a miss")
    func storedNilIsToldFromAMiss() throws {
        try client.set("nothing", Optional<String>.none)
        #expect(try client.get("nothing", as: String?.self) == .some(.none))
        #expect(try client.get("missing", as: String?.self) == .none)
        #expect(try failure { () throws(CacheError) in _ = try client.get("nothing", as: String.self) }.code == .undecodableValue)
    }

    @Test("numbers and texts of other languages are read as the type asked for")
    func foreignNumbersAndTexts() throws {
        try client.strings.set("int", "12", flags: 2)
        #expect(try client.get("int", as: Double.self) == 12)
        #expect(try client.get("int", as: Int8.self) == 12)
        try client.strings.set("long", "-7", flags: 4)
        #expect(try client.get("long") == -7)
        // What memcached leaves of "10" after a decr.
        try client.set("n", 10)
        #expect(try client.decr("n") == 9)
        #expect(try client.strings.get("n")?.text == "9 ")
        #expect(try client.get("n") == 9)
        try client.strings.set("role", "admin", flags: 16)
        #expect(try client.get("role", as: User.Role.self) == .admin)
        // With white space, as Python writes JSON.
        let json = #"{"name": "Ada", "visits": 1, "score": 1, "role": "guest", "tags": []}"#
        try client.strings.set("user", json, flags: 98304)
        #expect(try client.get("user") == User(name: "Ada", visits: 1, score: 1, role: .guest, tags: []))
    }

    @Test("bytes of a client without flags are read as text, and memcached's own counters as integers")
    func flagless() throws {
        try client.strings.set("text", "grüße")
        #expect(try client.get("text") == "grüße")
        #expect(try client.incr("made", by: 1, initial: 41) == 41)
        #expect(try client.incr("made") == 42)
        #expect(try client.get("made") == 42)
        try client.strings.set("broken", Data([0xff]))
        #expect(try failure { () throws(CacheError) in _ = try client.get("broken", as: String.self) }.code == .undecodableValue)
    }

    @Test("a value that is not of the type names key and flags, and the connection stays right")
    func undecodableValues() throws {
        let cases: [(String, String, UInt32)] = [
            ("text", "not a number", 16), ("range", "300", 2), ("digits", "12x", 2), ("spaces", "1 2", 2), ("nothing", " ", 2),
            ("json", "{broken", 98304),
            ("shape", "[1]", 98304), ("bytes", "raw", 0),
            ("zlib", "not a stream", 24),
        ]
        for (key, value, flags) in cases {
            try client.strings.set(key, value, flags: flags)
            let error = try failure { () throws(CacheError) in _ = try client.get(key, as: Int8.self) }
            #expect(error.code == .undecodableValue, "\(key)")
            #expect(error.message.contains("key \(key)") && error.message.contains("flags \(flags)"), "\(error)")
            #expect(try client.strings.get(key)?.text == value)
        }
        try client.strings.set("broken", Data([0xff, 0xfe]), flags: 16)
        #expect(try failure { () throws(CacheError) in _ = try client.get("broken", as: String.self) }.code == .undecodableValue)
        #expect(client.metrics()[0].connects == 1)
    }

    @Test("a pickle and a Java object name their writer and the way out", arguments: [1, 9, 163_840] as [UInt32])
    func foreignValues(_ flags: UInt32) throws {
        try client.strings.set("theirs", "?", flags: flags)
        let error = try failure { () throws(CacheError) in _ = try client.get("theirs", as: String.self) }
        #expect(error.code == .foreignValue)
        #expect(error.message.contains("key theirs") && error.message.contains("flags \(flags)"))
        #expect(error.message.contains(flags == 163_840 ? "Java" : "Python") && error.message.contains("store it"))
    }

    @Test("a batch decodes key by key, and what cannot be read stands among the errors")
    func batches() throws {
        let stored = try client.setMulti(["i": 5, "t": "text", "u": [1.5]], ttl: .seconds(60))
        #expect(stored.errors.isEmpty && stored.values.count == 3)
        let found = try client.getMulti(["i", "t", "missing"], as: Int.self)
        #expect(found.values == ["i": 5])
        #expect(found.errors.keys.sorted() == ["t"] && found.errors["t"]?.code == .undecodableValue)
        #expect(try failure { () throws(CacheError) in _ = try found.get() }.code == .undecodableValue)
        let tokens = try client.getsMulti(["i"], as: Int.self)
        #expect(tokens["i"]?.value == 5)
        #expect(try client.cas("i", 6, cas: try #require(tokens["i"]).cas) == .stored)
        #expect(try client.get("i") == 6)
    }

    @Test("integers can be counted with, others cannot")
    func countersAndClients() throws {
        try client.set("n", 41)
        #expect(try client.incr("n") == 42)
        #expect(try client.get("n") == 42)
        try client.set("t", "text")
        #expect(try failure { () throws(CacheError) in _ = try client.incr("t") }.code == .notNumeric)
    }

    @Test("each operation has an async form that does the same")
    func asyncForms() async throws {
        try await client.set("k", [1, 2])
        #expect(try await client.get("k", as: [Int].self) == [1, 2])
        #expect(try await client.get("missing", as: Int.self) == nil)
        #expect(try await client.add("k", 1) == .notStored)
        #expect(try await client.replace("k", 2) == .stored)
        #expect(try await client.getAndTouch("k", ttl: .seconds(50)) == 2)
        let read = try #require(try await client.gets("k", as: Int.self))
        #expect(try await client.cas("k", 3, cas: read.cas) == .stored)
        #expect(try await client.getsAndTouch("k", ttl: nil, as: Int.self)?.value == 3)
        #expect(try await client.setMulti(["a": 1, "b": "two"]).errors.isEmpty)
        #expect(try await client.getMulti(["a"], as: Int.self).values == ["a": 1])
        #expect(try await client.getsMulti(["b"], as: String.self)["b"]?.value == "two")
        #expect(try await client.incr("k") == 4)
        #expect(try await client.delete("k"))
    }

    @Test("a client with another deadline shares servers and metrics")
    func withTimeout() throws {
        try client.set("k", "v")
        let quick = try client.withTimeout(.seconds(5))
        #expect(try quick.get("k") == "v")
        #expect(client.metrics()[0].hits == 1)
        let silent = try FakeServer()
        let waiting = try Client(servers: [silent.server], options: patient).withTimeout(.milliseconds(80))
        let taken = try time {
            let error = try failure { () throws(CacheError) in _ = try waiting.get("k", as: Int.self) }
            #expect(error.code == .timeout)
        }
        #expect((Duration.milliseconds(75)...Duration.seconds(5)).contains(taken), "\(taken)")
    }
}
