import Foundation
import Testing

@testable import CMemcache

/// What somebody else has put into the cache: a value or a documented error, and nothing else.
@Suite("hostile values")
struct HostileValuesTests {
    /// A small generator with a seed, so that a failure comes again.
    private struct Chance: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    private static let codec = {
        var options = ValueOptions()
        options.maxDecompressedSize = 1 << 16
        return ValueCodec(options: options, signing: nil)
    }()

    private func decodes<V: Decodable>(_ type: V.Type, _ item: Item) throws -> Bool {
        do {
            _ = try Self.codec.decode(type, item, key: "k")
            return true
        } catch {
            try expect(error.code == .undecodableValue || error.code == .foreignValue, "\(error)")
            return false
        }
    }

    @Test("random bytes under every flag are a value or a documented error")
    func random() throws {
        var chance = Chance(state: 4711)
        let json = Data(#"{"a":[1,2.5,null,"x"]}"#.utf8)
        let long = Data(String(repeating: "[1,2,3]", count: 100).utf8)
        let seeds = [json, try given(Zlib.compress(long)), Data("-17".utf8), Data("text".utf8), Data(repeating: 0, count: 8)]
        let single = (0..<32).map { UInt32(1) << $0 } + [0, Flags.portable, Flags.java, Flags.lease, Flags.signed]
        let flags = single + single.map { $0 | Flags.zlib } + single.map { $0 | Flags.integer }
        var values = 0
        for _ in 0..<100 {
            var bytes = try given(seeds.randomElement(using: &chance))
            for _ in 0..<Int.random(in: 0..<4, using: &chance) {
                bytes[Int.random(in: 0..<bytes.count, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
            }
            if Int.random(in: 0..<4, using: &chance) == 0 {
                bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &chance))
            }
            for flag in flags {
                let item = Item(value: bytes, flags: flag)
                values += try decodes(String.self, item) ? 1 : 0
                values += try decodes(Data.self, item) ? 1 : 0
                values += try decodes(Int?.self, item) ? 1 : 0
                values += try decodes(Value.self, item) ? 1 : 0
            }
        }
        #expect(values > 100)
    }

    @Test("JSON nested beyond the stack is an error")
    func nesting() throws {
        let depth = 200_000
        let texts = [
            String(repeating: "[", count: depth),
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth),
            String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth),
        ]
        for text in texts {
            let plain = Data(text.utf8)
            try expect(!decodes(Value.self, Item(value: plain, flags: Flags.portable)), "it was read")
        }
    }
}
