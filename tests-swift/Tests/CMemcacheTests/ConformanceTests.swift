import Foundation
import Testing

@testable import CMemcache

/// The vectors of conformance/ that go through the public interface; those of the packed layout stand in PackedLayoutTests.
@Suite struct ConformanceTests {
    let memcached: Memcached
    let strings: StringClient

    init() throws {
        memcached = try Memcached()
        strings = try StringClient(servers: [memcached.server], options: patient)
    }

    /// The name of each kind of error.
    private static let kinds = Result {
        Dictionary(uniqueKeysWithValues: try vectors("errors.json").map { ($0.text("name"), $0.text("swift")) })
    }

    private func fails(_ kind: String, _ body: () throws(CacheError) -> Void) throws -> CacheError {
        let error = try failure(of: body)
        try expect(error.code.description == Self.kinds.get()[kind], "\(error) is no \(kind)")
        return error
    }

    @Test("keys belong to the servers that the vectors say", arguments: ["placement", "libmemcached", "rendezvous"])
    func placement(_ file: String) throws {
        let placements: [String: Placement] = [
            "modulo": .modulo, "modula": .modula, "ketama": .ketama, "ketama_weighted": .ketamaWeighted,
            "rendezvous": .rendezvous,
        ]
        try eachVector("\(file).json") { vector in
            let servers = try vector.list("servers").map { server in
                let fields = Vector(fields: try given(server as? [String: Any]))
                return ServerSpec(fields.text("address"), weight: UInt32(fields.number("weight")))
            }
            let keys = vector.texts("keys")
            for (name, indices) in try given(vector.fields["server_index"] as? [String: [Int]]) {
                let placement = try given(placements[name])
                let client = try StringClient(servers: servers, options: options { $0.placement = placement })
                // A server that is down is not asked, and the error of each of its keys names it.
                let names = client.metrics().map(\.server)
                for server in names {
                    try client.markDown(server, for: .seconds(3600))
                }
                let chosen = try client.getMulti(keys).errors.mapValues(\.server)
                for (key, index) in zip(keys, indices) {
                    try expect(chosen[key] == names[index], "\(name): \(key) belongs to \(chosen[key] as Any)")
                }
            }
        }
    }

    @Test("server strings are read as the vectors say")
    func addresses() throws {
        try eachVector("addresses.json") { vector in
            let server = ServerSpec(vector.text("text"))
            if let refused = vector.textIfAny("refused") {
                let error = try fails("InvalidArgument") { () throws(CacheError) in _ = try StringClient(servers: [server]) }
                try expect(error.message.contains(refused), error.message)
            } else {
                let name = try StringClient(servers: [server]).metrics().map(\.server)
                try expect(name == [vector.text("canonical")], "\(name)")
            }
        }
    }

    @Test("legal keys hold values and every operation refuses the others")
    func keys() throws {
        try eachVector("keys.json") { vector in
            let key = try bytes(vector.fields["key"])
            let client = try StringClient(
                servers: [memcached.server],
                options: options {
                    $0.protocol = .meta
                    $0.timeout = patient.timeout
                    $0.keyPrefix = Data(vector.text("prefix").utf8)
                    $0.binaryKeys = vector.flag("binary")
                })
            guard let error = vector.textIfAny("error") else {
                try expect(try client.set(key, "held") == .stored, "not stored")
                try expect(try client.get(key)?.text == "held", "not read")
                try expect(try client.getMulti([key])[key]?.text == "held", "not read in a batch")
                try expect(try client.delete(key), "not deleted")
                return
            }
            _ = try fails(error) { () throws(CacheError) in _ = try client.get(key) }
            _ = try fails(error) { () throws(CacheError) in _ = try client.set(key, "x") }
            _ = try fails(error) { () throws(CacheError) in _ = try client.delete(key) }
            _ = try fails(error) { () throws(CacheError) in _ = try client.incr(key) }
            _ = try fails(error) { () throws(CacheError) in _ = try client.getMulti([key]).get() }
        }
    }

    @Test("times become what the server is told")
    func exptimes() throws {
        let client = try Client(servers: [memcached.server], options: patient)
        try eachVector("exptime.json") { vector in
            let ttl = (vector.fields["lifetime"] as? Double).map { Duration.seconds($0) }
            if let error = vector.textIfAny("error") {
                _ = try fails(error) { () throws(CacheError) in try client.set("refused", "x", ttl: ttl) }
                return
            }
            try client.set("set", "x", ttl: ttl)
            try client.set("touched", "x")
            _ = try client.touch("touched", ttl: ttl)
            for key in ["set", "touched"] {
                let found = try client.metadata(key)
                if vector.textIfAny("ttl") == "gone" {
                    try expect(found == nil, "\(key) is there")
                } else if let expected = vector.fields["ttl"] as? Int {
                    let told = try given(found?.ttl)
                    try expect((.seconds(expected - 10) ... .seconds(expected + 10)).contains(told), "\(key): \(told)")
                } else {
                    try expect(found != nil && found?.ttl == nil, "\(key): \(found as Any)")
                }
            }
        }
    }

    /// Stores a value as the Swift type that it has.
    private func set(_ client: Client, _ value: Value) throws(CacheError) {
        switch value {
        case .integer(let number): try client.set("k", number)
        case .natural(let number): try client.set("k", number)
        case .float(let number): try client.set("k", number)
        case .boolean(let flag): try client.set("k", flag)
        case .text(let text): try client.set("k", text)
        case .bytes(let bytes): try client.set("k", bytes)
        case .null: try client.set("k", Value?.none)
        default: try client.set("k", value)
        }
    }

    /// Reads a value as the Swift type that this one has.
    private func read(_ client: Client, like value: Value) throws -> Value {
        switch value {
        case .integer: .integer(try given(client.get("k", as: Int64.self)))
        case .natural: .natural(try given(client.get("k", as: UInt64.self)))
        case .float: .float(try given(client.get("k", as: Double.self)))
        case .text: .text(try given(client.get("k", as: String.self)))
        case .bytes: .bytes(try given(client.get("k", as: Data.self)))
        case .null: try given(client.get("k", as: Value?.self)) ?? .null
        default: try given(client.get("k", as: Value.self))
        }
    }

    private func checkReads(_ client: Client, _ vector: Vector) throws {
        let expected = try Value(tagged: vector.fields["value"])
        let value = try read(client, like: expected)
        try expect(value == expected, "read \(value)")
        if case .float(let float) = value, case .float(let wanted) = expected {
            try expect(float.sign == wanted.sign, "lost its sign")
        }
    }

    /// Every type that can be asked for is refused, and the message says who can read the value.
    private func checkRefuses(_ client: Client, _ vector: Vector, _ kind: String) throws {
        let errors = [
            try fails(kind) { () throws(CacheError) in _ = try client.get("k", as: String.self) },
            try fails(kind) { () throws(CacheError) in _ = try client.get("k", as: Int.self) },
            try fails(kind) { () throws(CacheError) in _ = try client.get("k", as: Value?.self) },
        ]
        guard let writer = vector.textIfAny("writer") else { return }
        for error in errors {
            for word in ["key k ", writer, "client.strings.get"] {
                try expect(error.message.contains(word), "no \(word) in: \(error.message)")
            }
        }
    }

    @Test("values have the bytes and flags of the vectors")
    func values() throws {
        let client = try Client(strings: strings)
        try eachVector("values.json") { vector in
            if let refused = vector.textIfAny("refused") {
                let value = try Value(tagged: vector.fields["value"])
                _ = try fails(refused) { () throws(CacheError) in try set(client, value) }
                return
            }
            let flags = UInt32(vector.number("flags"))
            let writes = try vector.list("writes").map(bytes)
            if !writes.isEmpty {
                try set(client, Value(tagged: vector.fields["value"]))
                let stored = try given(strings.get("k"))
                try expect(stored.flags == flags && writes.contains(stored.value), "wrote \(stored.text ?? ""), \(stored.flags)")
            }
            for form in writes.isEmpty ? [try bytes(vector.fields["reads"])] : writes {
                try strings.set("k", form, flags: flags)
                if let error = vector.textIfAny("error") {
                    try checkRefuses(client, vector, error)
                } else {
                    try checkReads(client, vector)
                }
            }
        }
    }

    @Test("compression is as the vectors say")
    func compression() throws {
        try eachVector("compression.json") { vector in
            var values = ValueOptions()
            values.compressFrom = vector.number("compress_from")
            values.maxDecompressedSize = vector.fields["cap"] as? Int ?? values.maxDecompressedSize
            let client = try Client(strings: strings, values: values)
            guard let stream = vector.textIfAny("stream") else {
                try set(client, Value(tagged: vector.fields["value"]))
                let flags = try given(strings.get("k")).flags
                try expect((flags & Flags.zlib != 0) == vector.flag("compressed"), "flags \(flags)")
                return try checkReads(client, vector)
            }
            try strings.set("k", try given(Data(base64Encoded: stream)), flags: UInt32(vector.number("flags")))
            if let error = vector.textIfAny("error") {
                _ = try fails(error) { () throws(CacheError) in _ = try client.get("k", as: String.self) }
            } else {
                try checkReads(client, vector)
            }
        }
    }

    @Test("signed values are as the vectors say")
    func signing() throws {
        try eachVector("signing.json") { vector in
            var values = ValueOptions()
            values.signingKeys = try vector.list("signing_keys").map(bytes)
            let client = try Client(strings: strings, values: values)
            let key = vector.text("key")
            let flags = UInt32(vector.number("flags"))
            let stored = try bytes(vector.fields["stored"])
            try strings.set(key, stored, flags: flags)
            if let error = vector.textIfAny("error") {
                _ = try fails(error) { () throws(CacheError) in _ = try client.get(key, as: Data.self) }
                _ = try fails(error) { () throws(CacheError) in _ = try client.gets(key, as: Data.self) }
                try expect(client.getMulti([key], as: Data.self).errors[key]?.code == .untrustedValue, "the batch read it")
                return
            }
            let expected = try bytes(vector.fields["value"])
            let text = String(decoding: expected, as: UTF8.self)
            switch UInt32(vector.number("value_flags")) {
            case Flags.bytes: try checkSigned(client, vector, expected, stored)
            case Flags.text: try checkSigned(client, vector, text, stored)
            case Flags.integer: try checkSigned(client, vector, given(Int(text)), stored)
            default: try checkSigned(client, vector, JSONDecoder().decode([Int?].self, from: expected), stored)
            }
        }
    }

    private func checkSigned<V: Codable & Equatable>(_ client: Client, _ vector: Vector, _ value: V, _ stored: Data) throws {
        let key = vector.text("key")
        try expect(client.get(key, as: V.self) == value, "another value was read")
        try expect(client.gets(key, as: V.self)?.value == value, "another value was read")
        guard vector.flag("writes") else { return }
        try client.set(key, value)
        try expect(strings.get(key) == Item(value: stored, flags: Flags.signed), "another form was stored")
        _ = try client.setMulti([key: value])
        try expect(strings.get(key)?.value == stored, "another form was stored by the batch")
    }

    @Test("a signing client covers the prefix and refuses what the server would change")
    func signingClient() throws {
        var values = ValueOptions()
        values.signingKeys = [Data("0123456789abcdef".utf8)]
        let options = options { $0.keyPrefix = Data("a:".utf8) }
        let client = try Client(servers: [ServerSpec(strings.metrics()[0].server)], options: options, values: values)
        try client.set("k", "mine")
        #expect(try client.withTimeout(.seconds(20)).get("k", as: String.self) == "mine")
        try strings.set("a:j", given(strings.get("a:k")).value, flags: Flags.signed)
        #expect(try failure(of: { () throws(CacheError) in _ = try client.get("j", as: String.self) }).code == .untrustedValue)
        let refused = [
            try failure(of: { () throws(CacheError) in _ = try client.incr("k") }),
            try failure(of: { () throws(CacheError) in _ = try client.decr("k", initial: 1) }),
            try failure(of: { () throws(CacheError) in _ = try client.append("k", "x") }),
            try failure(of: { () throws(CacheError) in _ = try client.prepend("k", "x") }),
        ]
        #expect(refused.allSatisfy { $0.code == .unsupported && $0.message.contains("signingKeys") })
        let unsigned = try Client(strings: strings)
        #expect(try failure(of: { () throws(CacheError) in _ = try unsigned.get("a:k", as: String.self) }).code == .foreignValue)
        values.signingKeys = [Data("too short".utf8)]
        let short = try failure(of: { () throws(CacheError) in _ = try Client(servers: [], values: values) })
        #expect(short.code == .invalidArgument && short.message.contains("16"))
    }

    @Test("a signing client refuses it in its async form too")
    func asyncSigningClient() async throws {
        var values = ValueOptions()
        values.signingKeys = [Data("0123456789abcdef".utf8)]
        let client = try Client(strings: strings, values: values)
        try await client.set("k", 1)
        #expect(try await client.get("k", as: Int.self) == 1)
        let error = try await failure { _ = try await client.incr("k") } as? CacheError
        #expect(error?.code == .unsupported)
        #expect(try await client.get("k", as: Int.self) == 1)
    }

    private struct Record: Codable { var name: String }

    @Test("flags are those of the registry")
    func flags() throws {
        let constants = [
            "FLAG_BYTES": Flags.bytes, "FLAG_PICKLE": Flags.pickle, "FLAG_INTEGER": Flags.integer, "FLAG_LONG": Flags.long,
            "FLAG_ZLIB": Flags.zlib, "FLAG_TEXT": Flags.text, "FLAG_PORTABLE": Flags.portable, "FLAG_JAVA": Flags.java,
            "FLAG_LEASE": Flags.lease, "FLAG_SIGNED": Flags.signed,
        ]
        let samples: [String: any Encodable] = [
            "bytes": Data([1]), "text": "t", "integer": 1, "null": Int?.none, "boolean": true, "float": 0.5, "nan": Double.nan,
            "list": [1], "map": ["a": 1], "record": Record(name: "a"), "other": Unwritable(),
        ]
        let client = try Client(strings: strings)
        try eachVector("flags.json") { vector in
            if let flags = vector.fields["flags"] as? Int {
                try expect(constants[vector.text("name")] == UInt32(flags), "no such constant")
                return
            }
            let sample = try given(samples[vector.text("type")])
            if vector.text("swift") == "refused" {
                _ = try fails("UnencodableValue") { () throws(CacheError) in try client.set("k", sample) }
            } else {
                try client.set("k", sample)
                let flags = try given(strings.get("k")).flags
                try expect(flags == constants[vector.text("swift")], "flags \(flags)")
            }
        }
    }

    /// What says of itself that it has no form in JSON.
    private struct Unwritable: Encodable {
        func encode(to encoder: any Encoder) throws { throw Unfit("cannot be written") }
    }

    @Test("kinds of errors have their names and numbers")
    func errors() throws {
        var numbers = Set<UInt8>()
        try eachVector("errors.json") { vector in
            if let number = vector.fields["number"] as? Int {
                numbers.insert(UInt8(number))
                let name = CacheError.Code(UInt8(number)).description
                try expect(name == vector.text("swift"), name)
            } else {
                let named = (UInt8(128)...255).map { CacheError.Code($0).description }
                try expect(named.contains(vector.text("swift")), "no code of this name")
            }
        }
        let unnamed = CacheError.Code(127).description.replacing("127", with: "")
        #expect(numbers == Set((UInt8(64)...127).filter { !CacheError.Code($0).description.hasPrefix(unnamed) }))
    }

    @Test("options have their defaults")
    func defaults() throws {
        let options = ClientOptions()
        func millis(_ time: Duration) -> String { "\(time.wholeMilliseconds)" }
        func isNone<T>(_ option: T?) -> String { option == nil ? "none" : "some" }
        let tls = TlsOptions()
        let ours = [
            "protocol": "\(options.protocol)", "placement": "\(options.placement)", "failover": "\(options.failover)",
            "timeout_ms": millis(options.timeout), "connect_timeout_ms": millis(options.connectTimeout),
            "dead_retry_ms": millis(options.deadRetry), "failure_limit": "\(options.failureLimit)",
            "max_connections": "\(options.maxConnections)", "max_value_size": "\(options.maxValueSize)",
            "key_prefix": String(decoding: options.keyPrefix, as: UTF8.self), "binary_keys": "\(options.binaryKeys)",
            "flush_on_reconnect": "\(options.flushOnReconnect)", "spin": "\(options.spin)",
            "tls": isNone(options.tls), "user": isNone(options.user), "password": isNone(options.password),
            "ca": isNone(tls.ca), "certificate": isNone(tls.certificate), "key": isNone(tls.key),
            "server_name": isNone(tls.serverName), "danger_accept_any_certificate": "\(tls.dangerAcceptAnyCertificate)",
            "weight": "\(ServerSpec("localhost").weight)",
        ]
        try eachVector("options.json") { vector in
            let expected =
                switch vector.fields["default"] {
                case let text as String: text
                case let flag as Bool where ours[vector.text("name")]?.first?.isLetter == true: "\(flag)"
                case let number as Int: "\(number)"
                default: throw Unfit("what default is this")
                }
            let name = try given(ours[vector.text("name")])
            try expect(name.lowercased() == expected.lowercased(), name)
        }
    }
}
