import CMemcache
import Foundation
import Testing

/// What `zlib.compress(b"spam and eggs, " * 20)` gives in Python.
private let pythonStream = Data([
    0x78, 0x9c, 0x2b, 0x2e, 0x48, 0xcc, 0x55, 0x48, 0xcc, 0x4b, 0x51, 0x48, 0x4d, 0x4f, 0x2f, 0xd6, 0x51, 0x28, 0x1e, 0xe5,
    0xe2, 0xe6, 0x02, 0x00, 0x0e, 0x4c, 0x65, 0xb9,
])

@Suite struct CompressionTests {
    let memcached: Memcached
    let client: Client

    init() throws {
        memcached = try Memcached()
        client = try Client(servers: [memcached.server], options: patient, values: Self.values(from: 100, limit: 1 << 20))
    }

    private static func values(from: Int, limit: Int) -> ValueOptions {
        var values = ValueOptions()
        values.compressFrom = from
        values.maxDecompressedSize = limit
        return values
    }

    @Test("what is long and compressible is compressed, what is short, random or an integer is not")
    func compressesWhatPays() throws {
        let long = String(repeating: "memcached ", count: 1000)
        try client.set("long", long)
        let item = try #require(try client.strings.get("long"))
        #expect(item.flags == 24 && item.value.count < 1000)
        #expect(try client.get("long") == long)
        try client.set("short", "memcached")
        #expect(try client.strings.get("short")?.flags == 16)
        let random = Data((0..<5000).map { _ in UInt8.random(in: 0...255) })
        try client.set("random", random)
        #expect(try client.strings.get("random") == Item(value: random, flags: 0))
        try client.set("list", Array(repeating: 1, count: 500))
        #expect(try client.strings.get("list")?.flags == 98304 | 8)
        #expect(try client.get("list") == Array(repeating: 1, count: 500))
        let eager = try Client(strings: client.strings, values: Self.values(from: 1, limit: 1 << 20))
        try eager.set("n", 1_111_111_111_111_111_111)
        #expect(try client.strings.get("n")?.flags == 2)
    }

    @Test("a stream that Python's zlib wrote is read")
    func readsPythonsStreams() throws {
        try client.strings.set("theirs", pythonStream, flags: 24)
        #expect(try client.get("theirs") == String(repeating: "spam and eggs, ", count: 20))
    }

    @Test("a stream that grows past the limit, is cut or is followed by something is refused")
    func refusesBadStreams() throws {
        let strict = try Client(strings: client.strings, values: Self.values(from: 0, limit: 300))
        let stricter = try Client(strings: client.strings, values: Self.values(from: 0, limit: 299))
        try client.strings.set("k", pythonStream, flags: 24)
        #expect(try strict.get("k", as: String.self)?.count == 300)
        #expect(try failure { () throws(CacheError) in _ = try stricter.get("k", as: String.self) }.code == .undecodableValue)
        for bad in [pythonStream.dropLast(), pythonStream + Data([0]), Data(), Data([0x78])] {
            try client.strings.set("k", Data(bad), flags: 24)
            let error = try failure { () throws(CacheError) in _ = try client.get("k", as: String.self) }
            #expect(error.code == .undecodableValue && error.message.contains("zlib"), "\(error)")
        }
    }

    @Test("a bomb is refused without its memory being taken")
    func refusesBombs() throws {
        let roomy = try Client(strings: client.strings, values: Self.values(from: 1, limit: 1 << 30))
        try roomy.set("bomb", Data(count: 64 << 20))
        #expect(try #require(try client.strings.get("bomb")).value.count < 1 << 20)
        #expect(try failure { () throws(CacheError) in _ = try client.get("bomb", as: Data.self) }.code == .undecodableValue)
    }

    @Test("options out of their range name themselves")
    func optionsAreChecked() throws {
        let bad = [("compressFrom", Self.values(from: -1, limit: 1)), ("maxDecompressedSize", Self.values(from: 1, limit: 0))]
        for (name, values) in bad {
            let error = try failure { () throws(CacheError) in _ = try Client(servers: [], values: values) }
            #expect(error.code == .invalidArgument && error.message.contains(name))
        }
    }
}
