import CMemcache
import Foundation
import Testing

/// TLS and credentials, against a real memcached with -Z and -Y.
@Suite struct TlsTests {
    /// The certificates of the tests, in a folder that goes with this.
    final class Certificates {
        let folder: URL

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("cmemcache-tls-\(UUID())")
            let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../..").standardizedFileURL
            let script = Process()
            script.executableURL = root.appendingPathComponent("make/bin/certificates")
            script.arguments = [folder.path]
            try script.run()
            script.waitUntilExit()
            if script.terminationStatus != 0 { throw Unfit("no certificates") }
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        func pem(_ name: String) -> Pem { .file(path(name)) }

        func server(_ further: String = "") throws -> Memcached {
            try Memcached("-Z", "-o", "ssl_chain_cert=\(path("server.pem")),ssl_key=\(path("server.key"))\(further)")
        }
    }

    private func client(
        _ address: String, tls: TlsOptions? = nil, user: String? = nil, password: Password? = nil
    ) throws -> StringClient {
        var options = patient
        (options.tls, options.user, options.password) = (tls, user, password)
        return try StringClient(servers: [ServerSpec(address)], options: options)
    }

    @Test("values travel over TLS with a given CA, and nobody else is trusted")
    func overTls() throws {
        let certificates = try Certificates()
        let server = try certificates.server()
        let value = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) })
        let text = try Data(contentsOf: URL(fileURLWithPath: certificates.path("ca.pem")))
        for ca in [certificates.pem("ca.pem"), .text(text)] {
            let cache = try client(server.address, tls: TlsOptions(ca: ca))
            #expect(try cache.set("k", value) == .stored)
            #expect(try cache.get("k")?.value == value)
        }
        let stranger = try client(server.address, tls: TlsOptions(ca: certificates.pem("stranger.pem")))
        let unknown = try failure { () throws(CacheError) in _ = try stranger.get("k") }
        #expect(unknown.code == .tls)
        #expect(unknown.message.contains("no trusted CA"))
        let other = try client(
            server.address, tls: TlsOptions(ca: certificates.pem("ca.pem"), serverName: "elsewhere.example"))
        let elsewhere = try failure { () throws(CacheError) in _ = try other.get("k") }
        #expect(elsewhere.message.contains("not for elsewhere.example"))
        let careless = try client(server.address, tls: TlsOptions(dangerAcceptAnyCertificate: true))
        #expect(try careless.set("k", "v") == .stored)
    }

    @Test("a client shows its certificate to a server that asks")
    func clientCertificate() throws {
        let certificates = try Certificates()
        let server = try certificates.server(",ssl_verify_mode=2,ssl_ca_cert=\(certificates.path("ca.pem"))")
        let ca = certificates.pem("ca.pem")
        let tls = TlsOptions(ca: ca, certificate: certificates.pem("client.pem"), key: certificates.pem("client.key"))
        #expect(try client(server.address, tls: tls).set("k", "v") == .stored)
        let unknown = try client(server.address, tls: TlsOptions(ca: ca))
        let error = try failure { () throws(CacheError) in _ = try unknown.get("k") }
        #expect(error.code == .tls)
        #expect(error.message.contains("client certificate"))
    }

    @Test("a user is let in, and a wrong password is not")
    func credentials() throws {
        let users = FileManager.default.temporaryDirectory.appendingPathComponent("cmemcache-users-\(UUID())")
        try Data("ann:secret-word\n".utf8).write(to: users)
        defer { try? FileManager.default.removeItem(at: users) }
        let server = try Memcached("-Y", users.path)
        let known = try client(server.address, user: "ann", password: "secret-word")
        #expect(try known.set("k", "v") == .stored)
        let wrong = try client(server.address, user: "ann", password: Password("wrong-word"))
        let error = try failure { () throws(CacheError) in _ = try wrong.get("k") }
        #expect(error.code == .auth)
        #expect(!"\(error)".contains("wrong-word"))
    }

    @Test("options that cannot work are named, and nothing secret is shown")
    func options() throws {
        var options = patient
        options.user = "ann"
        let lone = options
        let error = try failure { () throws(CacheError) in _ = try StringClient(servers: ["localhost"], options: lone) }
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains("user is given without password"))
        options.password = "secret"
        options.tls = TlsOptions(key: .text(Data("secret".utf8)))
        #expect(!"\(options)".contains("secret"))
        var dumped = ""
        dump(options, to: &dumped)
        #expect(!dumped.contains("secret"))
    }
}
