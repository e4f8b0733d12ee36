import CMemcache
import Foundation
import Testing

/// Whatever is wrong gives an error that names it, in time, and leaves the client in use.
@Suite struct BadInputTests {
    @Test("with nothing listening a call fails within the connect timeout and names the server")
    func nothingListens() throws {
        let address = "127.0.0.1:\(try freePort())"
        let client = try Client(servers: [ServerSpec(address)], options: patient)
        var error: CacheError?
        let taken = try time { error = try failure { () throws(CacheError) in _ = try client.get("k", as: Int.self) } }
        #expect(error?.code == .serverDown && error?.server == address && error?.outcomeUnknown == false)
        #expect(error?.message.contains(address) == true)
        #expect(taken < patient.connectTimeout / 2, "\(taken)")
        let batch = try client.strings.getMulti(["a", "b"])
        #expect(batch.values.isEmpty && batch.errors["a"]?.code == .serverDown && batch.errors["b"]?.server == address)
    }

    @Test(
        "what is not memcached is a protocol error, and no call hangs",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\u{0}\u{1}\u{2}\u{3}\r\n", "VALUE k 0 -1\r\n",
        ])
    func notMemcached(_ greeting: String) throws {
        let server = try FakeServer(answering: greeting)
        for wire in [WireProtocol.auto, .meta, .classic] {
            var options = patient
            options.protocol = wire
            let client = try StringClient(servers: [server.server], options: options)
            var error: CacheError?
            let taken = try time { error = try failure { () throws(CacheError) in _ = try client.get("k") } }
            #expect(error?.code == .protocol && error?.server == server.server.address, "\(wire): \(String(describing: error))")
            #expect(taken < patient.connectTimeout / 2, "\(taken)")
        }
    }

    @Test("a server that never answers costs the deadline and no more")
    func silentServer() throws {
        let server = try FakeServer()
        let client = try StringClient(
            servers: [server.server],
            options: options {
                $0.protocol = .meta
                $0.timeout = .seconds(1)
            })
        let taken = try time {
            let error = try failure { () throws(CacheError) in _ = try client.set("k", "v") }
            #expect(
                error.code == .timeout && error.phase == .read && error.outcomeUnknown && error.server == server.server.address)
        }
        #expect((Duration.milliseconds(990)...Duration.seconds(6)).contains(taken), "\(taken)")
    }

    private static let badKeys: [([UInt8], CacheError.Code)] =
        [([], .keyCharacter), ([UInt8](repeating: 107, count: 251), .keyTooLong)]
        + ([UInt8](0...32) + [127]).map { ([107, $0, 107], .keyCharacter) }

    @Test("a bad key is refused by every operation and no byte is sent")
    func badKeys() async throws {
        let server = try FakeServer()
        let client = try StringClient(servers: [server.server], options: patient)
        for (key, code) in Self.badKeys {
            let calls: [() throws(CacheError) -> Void] = [
                { () throws(CacheError) in _ = try client.get(key) },
                { () throws(CacheError) in _ = try client.gets(key) },
                { () throws(CacheError) in _ = try client.getAndTouch(key, ttl: nil) },
                { () throws(CacheError) in _ = try client.set(key, "v") },
                { () throws(CacheError) in _ = try client.cas(key, "v", cas: 1) },
                { () throws(CacheError) in _ = try client.append(key, "v") },
                { () throws(CacheError) in _ = try client.delete(key) },
                { () throws(CacheError) in _ = try client.incr(key) },
                { () throws(CacheError) in _ = try client.touch(key, ttl: nil) },
                { () throws(CacheError) in _ = try client.metadata(key) },
            ]
            for call in calls {
                let error = try failure(of: call)
                #expect(error.code == code && !error.outcomeUnknown, "\(key): \(error)")
            }
            let error = try await failure { _ = try await client.get(key) }
            #expect((error as? CacheError)?.code == code)
        }
        let error = try failure { () throws(CacheError) in _ = try client.get("two words") }
        #expect(error.message.contains("0x20") && error.message.contains("offset 3"))
        #expect(
            try failure { () throws(CacheError) in _ = try client.get(String(repeating: "k", count: 251)) }.message.contains(
                "250"))
        #expect(!server.wasContacted)
    }

    @Test("a bad key in a batch costs the batch or itself, and no byte of it is sent")
    func badKeysInBatches() throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: patient)
        try client.set("good", "v")
        func code(_ result: () throws(CacheError) -> CacheError.Code?) -> CacheError.Code? {
            do { return try result() } catch { return error.code }
        }
        for bad in ["two words", "", "line\r\nget x"] {
            #expect(code { () throws(CacheError) in try client.getMulti(["good", bad]).errors[bad]?.code } == .keyCharacter)
            #expect(code { () throws(CacheError) in try client.deleteMulti([bad]).errors[bad]?.code } == .keyCharacter)
            let entry = StoreEntry(key: bad, value: "v")
            #expect(code { () throws(CacheError) in try client.setMulti([entry]).errors[bad]?.code } == .keyCharacter)
        }
        #expect(try client.get("good")?.text == "v")
        #expect(client.metrics()[0].connects == 1)
    }

    @Test("a value over the limit is refused unsent, and the server stays in use")
    func oversizedValues() throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: options { $0.maxValueSize = 1000 })
        try client.set("k", "old")
        let before = client.metrics()[0].bytesWritten
        let error = try failure { () throws(CacheError) in _ = try client.set("k", Data(count: 1001)) }
        #expect(error.code == .valueTooLarge && error.message.contains("1000"))
        #expect(client.metrics()[0].bytesWritten == before)
        #expect(try client.get("k")?.text == "old")
        #expect(try client.set("k", Data(count: 1000)) == .stored)
        // Without a limit of its own the client learns the server's.
        let unlimited = try StringClient(servers: [memcached.server], options: options { $0.maxValueSize = 0 })
        #expect(try failure { () throws(CacheError) in _ = try unlimited.set("k", Data(count: 2 << 20)) }.code == .valueTooLarge)
        #expect(try unlimited.set("k", "small") == .stored)
        #expect(unlimited.metrics()[0].state == .up)
    }

    private struct Stubborn: Encodable {
        struct Refusal: Error {}
        func encode(to encoder: any Encoder) throws { throw Refusal() }
    }

    @Test("a value that cannot be encoded brings the encoder's error, and nothing is sent")
    func unencodableValues() throws {
        let server = try FakeServer()
        let client = try Client(servers: [server.server], options: patient)
        let error = try failure { () throws(CacheError) in _ = try client.set("k", Stubborn()) }
        #expect(error.code == .unencodableValue && error.underlying is Stubborn.Refusal && error.message.contains("key k"))
        #expect(try failure { () throws(CacheError) in _ = try client.set("k", Double.nan) }.code == .unencodableValue)
        #expect(
            try failure { () throws(CacheError) in _ = try client.setMulti(["a": 1, "b": Stubborn()]) }.code == .unencodableValue)
        #expect(!server.wasContacted)
    }

    @Test("without servers every call says so")
    func noServers() throws {
        let client = try Client(servers: [])
        #expect(try failure { () throws(CacheError) in _ = try client.get("k", as: Int.self) }.code == .noServers)
        #expect(try failure { () throws(CacheError) in _ = try client.set("k", 1) }.code == .noServers)
        #expect(client.metrics().isEmpty)
    }

    @Test(
        "a malformed server is refused when the client is made, by name",
        arguments: [
            "", "localhost:port", "localhost:0", "localhost:65536", "/tmp/memcached.sock", "unix:", "[::1", "two words:1",
        ])
    func malformedServers(_ address: String) throws {
        let error = try failure { () throws(CacheError) in _ = try StringClient(servers: [ServerSpec(address)]) }
        #expect(error.code == .invalidArgument && (address.isEmpty || error.message.contains(address)), "\(error)")
        let client = try StringClient(servers: ["127.0.0.1:11299"])
        #expect(try failure { () throws(CacheError) in try client.setServers([ServerSpec(address)]) }.code == .invalidArgument)
        #expect(client.metrics().map(\.server) == ["127.0.0.1:11299"])
    }

    @Test("an option out of its range is refused by name")
    func optionsOutOfRange() throws {
        let bad: [(String, ClientOptions)] = [
            ("timeout", options { $0.timeout = .zero }),
            ("timeout", options { $0.timeout = .seconds(-1) }),
            ("timeout", options { $0.timeout = .seconds(Int64.max) }),
            ("connect_timeout", options { $0.connectTimeout = .seconds(3601) }),
            ("dead_retry", options { $0.deadRetry = .seconds(4000) }),
            ("failure_limit", options { $0.failureLimit = 0 }),
            ("max_connections", options { $0.maxConnections = 1025 }),
            ("max_value_size", options { $0.maxValueSize = 1 << 31 }),
            ("key_prefix", options { $0.keyPrefix = Data("two words".utf8) }),
            ("key_prefix", options { $0.keyPrefix = Data(count: 300) }),
            ("spin", options { $0.spin = .fixed(.milliseconds(2)) }),
            ("asyncThreads", options { $0.asyncThreads = 0 }),
        ]
        for (name, options) in bad {
            let error = try failure { () throws(CacheError) in _ = try StringClient(servers: [], options: options) }
            #expect(error.code == .invalidArgument && error.message.contains(name), "\(name): \(error)")
        }
        let weight = try failure { () throws(CacheError) in _ = try StringClient(servers: [ServerSpec("a", weight: 0)]) }
        #expect(weight.code == .invalidArgument && weight.message.contains("weight"))
    }

    @Test("a time to live or a delay out of its range is refused by name, unsent")
    func timesOutOfRange() throws {
        let server = try FakeServer()
        let client = try StringClient(servers: [server.server], options: patient)
        for ttl in [
            Duration.seconds(1_000_000_000), .milliseconds(999_999_999_001), .seconds(Int64.max), .seconds(Int64.max) * 9,
        ] {
            let error = try failure { () throws(CacheError) in _ = try client.set("k", "v", ttl: ttl) }
            #expect(error.code == .invalidArgument && error.message.contains("ttl") && error.message.contains("999999999"))
        }
        #expect(try failure { () throws(CacheError) in _ = try client.flushAll(delay: .seconds(-1)) }.message.contains("delay"))
        let unknown = try failure { () throws(CacheError) in try client.markDown("10.9.9.9:1", for: .seconds(1)) }
        #expect(unknown.code == .invalidArgument && unknown.message.contains("10.9.9.9:1"))
        #expect(!server.wasContacted)
    }
}
