import CMemcache
import Foundation
import Testing

/// What a client counts for its servers and what servers tell of items, and that every choice of an option is one.
@Suite struct MetricsTests {
    /// What was counted when a call failed with this code.
    private func failing(
        _ server: ServerSpec, _ code: CacheError.Code, protocol: WireProtocol = .meta, timeout: Duration = patient.timeout,
        _ call: (StringClient) throws(CacheError) -> Void
    ) throws -> ServerMetrics {
        let client = try StringClient(
            servers: [server],
            options: options {
                $0.protocol = `protocol`
                $0.timeout = timeout
            })
        let error = try failure { () throws(CacheError) in try call(client) }
        #expect(error.code == code, "\(error)")
        return client.metrics()[0]
    }

    @Test("failures are counted by kind")
    func failures() throws {
        let refusing = ServerSpec("127.0.0.1:\(try freePort())")
        let refused = try failing(refusing, .serverDown) { (client) throws(CacheError) in _ = try client.get("k") }
        #expect(refused.connectErrors == 1)

        let silent = try FakeServer()
        let waited = try failing(silent.server, .timeout, timeout: .milliseconds(500)) { (client) throws(CacheError) in
            _ = try client.get("k")
        }
        #expect(waited.timeouts == 1)
        #expect(waited.state == .suspect)

        let closing = try FakeServer(answering: "")
        let dropped = try failing(closing.server, .disconnected) { (client) throws(CacheError) in try client.set("k", "v") }
        #expect(dropped.disconnects == 1)

        let web = try FakeServer(answering: "HTTP/1.1 400 Bad Request\r\n\r\n")
        let misled = try failing(web.server, .protocol) { (client) throws(CacheError) in _ = try client.get("k") }
        #expect(misled.protocolErrors == 1)

        let memcached = try Memcached()
        let counted = try failing(memcached.server, .notNumeric, protocol: .classic) { (client) throws(CacheError) in
            try client.set("k", "text")
            _ = try client.incr("k")
        }
        #expect(counted.serverErrors == 1)
        #expect(counted.connections == 1)
        #expect(counted.bytesRead > 0)
    }

    @Test("metadata tells what the server knows")
    func metadata() throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: patient)
        try client.set("k", "value", ttl: .seconds(100))
        let fresh = try #require(try client.metadata("k"))
        #expect(!fresh.fetched)
        #expect(fresh.idle < .seconds(10))
        #expect((.seconds(90) ... .seconds(110)).contains(try #require(fresh.ttl)))
        #expect(fresh.slabClass > 0)
        #expect(fresh.size > 6)
        _ = try client.get("k")
        let read = try #require(try client.metadata("k"))
        #expect(read.fetched)
        #expect(read.cas == fresh.cas)
    }

    @Test("every choice of every option works", arguments: [WireProtocol.auto, .meta, .classic])
    func choices(_ wire: WireProtocol) throws {
        let memcacheds = [try Memcached(), try Memcached(), try Memcached()]
        for placement in [Placement.modulo, .modula, .ketama, .ketamaWeighted, .rendezvous] {
            for failover in [Failover.failFast, .rehash] {
                for spin in [Spin.auto, .off, .fixed(.microseconds(100))] {
                    var options = patient
                    (options.protocol, options.placement, options.failover, options.spin) = (wire, placement, failover, spin)
                    let client = try StringClient(servers: memcacheds.map(\.server), options: options)
                    let value = "\(wire) \(placement) \(failover) \(spin)"
                    try client.set("k", value)
                    #expect(try client.get("k")?.text == value)
                }
            }
        }
    }
}
