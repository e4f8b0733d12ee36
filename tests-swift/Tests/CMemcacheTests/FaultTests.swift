import CMemcache
import Foundation
import Testing

/// What servers and networks do to clients, a test each; in every protocol, through the packed calls.
@Suite(.serialized) struct FaultTests {
    static let protocols: [WireProtocol] = [.auto, .meta, .classic]

    /// A server with two items, and a client that has made its connection.
    private func ready(_ wire: WireProtocol) throws -> (TestServer, StringClient) {
        let server = try TestServer()
        let client = try StringClient(
            servers: [server.spec],
            options: options {
                $0.protocol = wire
                $0.failureLimit = 1000
            })
        try fill(client)
        return (server, client)
    }

    private func fill(_ client: StringClient) throws {
        try client.set("k", "value of k", flags: 7)
        try client.set("other", "value of other")
    }

    /// Every key has its own value: no reply reached another call.
    private func isWell(_ client: StringClient) throws {
        for _ in 0..<3 {
            #expect(try client.get("k")?.text == "value of k")
            #expect(try client.get("other")?.text == "value of other")
            let both = try client.getMulti(["k", "missing", "other"])
            #expect(both.errors.isEmpty && both.values.mapValues(\.text) == ["k": "value of k", "other": "value of other"])
        }
    }

    @Test("the late reply of a timed-out call never reaches another call", arguments: protocols)
    func lateReply(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        let hasty = try client.withTimeout(.milliseconds(30))
        for _ in 0..<5 {
            server.inject(.delay(.milliseconds(100)))
            #expect(try failure { () throws(CacheError) in _ = try hasty.get("k") }.code == .timeout)
            #expect(try client.get("other")?.text == "value of other")
        }
        try isWell(client)
    }

    @Test("a reply split at every byte is whole", arguments: protocols)
    func split(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        for length in UInt64(0)...40 {
            server.inject(.split(length))
            let item = try client.get("k")
            #expect(item?.text == "value of k" && item?.flags == 7)
            server.inject(.split(length), times: 3)
            #expect(try client.getMulti(["k", "missing", "other"]).values.count == 2)
            server.clear()
            try fill(client)
        }
        let large = String(repeating: "large", count: 15_000)
        try client.set("large", large)
        server.inject(.split(1000))
        #expect(try client.get("large")?.text == large)
    }

    @Test("a server that closes inside a reply is an error and no value", arguments: protocols)
    func truncated(_ wire: WireProtocol) throws {
        for length in UInt64(0)...20 {
            let (server, client) = try ready(wire)
            // Once for the read and once for its repetition.
            server.inject(.truncate(length), times: 2)
            #expect(try failure { () throws(CacheError) in _ = try client.get("k") }.code == .disconnected)
        }
    }

    @Test("a reset in a store leaves its outcome unknown", arguments: protocols)
    func reset(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        server.inject(.reset)
        let error = try failure { () throws(CacheError) in try client.set("k", "x") }
        #expect(error.code == .disconnected && error.outcomeUnknown)
        try fill(client)
        try isWell(client)
    }

    @Test("out of memory is an error of the server and the connection is used on", arguments: protocols)
    func outOfMemory(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        let before = server.counts().connections
        server.inject(.outOfMemory)
        #expect(try failure { () throws(CacheError) in try client.set("k", "x") }.code == .serverError)
        #expect(try client.get("k") == nil)
        try fill(client)
        try isWell(client)
        #expect(server.counts().connections == before)
    }

    @Test("one connection too many is an error and the next call connects", arguments: protocols)
    func tooManyConnections(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        client.disconnectAll()
        server.inject(.tooManyConnections, times: 1000)
        _ = try failure { () throws(CacheError) in _ = try client.get("k") }
        server.clear()
        client.forgetDeadHosts()
        try fill(client)
        try isWell(client)
    }

    @Test("garbage is an error of the protocol", arguments: protocols)
    func garbage(_ wire: WireProtocol) throws {
        for garbage in ["\0\u{1}\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "VALUE wrong 0 5\r\nwrong\r\nEND\r\n"] {
            let (server, client) = try ready(wire)
            server.inject(.garbage(Array(garbage.utf8)))
            #expect(try failure { () throws(CacheError) in _ = try client.get("k") }.code == .protocol)
            try isWell(client)
        }
    }

    @Test("doubled, dropped and swapped replies never give another key's value", arguments: protocols)
    func misplaced(_ wire: WireProtocol) throws {
        for fault in [TestServer.Fault.duplicate, .drop, .swap] {
            let (server, client) = try ready(wire)
            let hasty = try client.withTimeout(.milliseconds(150))
            for _ in 0..<3 {
                server.inject(fault)
                for (key, value) in [("k", "value of k"), ("other", "value of other")] {
                    // An error is right, a foreign value is not.
                    if let item = try? hasty.get(key) { #expect(item.text == value) }
                }
            }
            try isWell(client)
        }
    }

    @Test("a server that falls silent costs no more than the deadline", arguments: protocols)
    func silence(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        server.inject(.silence)
        let hasty = try client.withTimeout(.milliseconds(100))
        var error: CacheError?
        let took = try time { error = try failure { () throws(CacheError) in try hasty.set("k", "x") } }
        #expect(error?.code == .timeout && took < .seconds(5))
    }

    @Test("a half-closed connection is replaced", arguments: protocols)
    func halfClose(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        let before = server.counts().connections
        server.inject(.halfClose)
        try isWell(client)
        #expect(server.counts().connections == before + 1)
    }

    @Test("a server that is gone is down and one that is back is used", arguments: protocols)
    func stopped(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        server.stop()
        _ = try failure { () throws(CacheError) in try client.set("k", "x") }
        #expect(try failure { () throws(CacheError) in try client.set("k", "x") }.code == .serverDown)
        try server.restart()
        client.forgetDeadHosts()
        try fill(client)
        try isWell(client)
    }

    @Test("a restart between two reads goes unnoticed", arguments: protocols)
    func restarted(_ wire: WireProtocol) throws {
        let (server, client) = try ready(wire)
        try server.restart()
        #expect(try client.get("k") == nil)
    }
}
