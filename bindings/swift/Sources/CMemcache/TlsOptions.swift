import CMemcacheFFI
import Foundation

/// Certificates or a key as PEM text: in a file, or in memory. It never prints the text.
public struct Pem: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    private enum Source: Hashable {
        case file(String)
        case text(Data)
    }

    private let source: Source

    /// The text in a file, which is read once, when a client is made.
    public static func file(_ path: String) -> Self { Self(source: .file(path)) }

    /// The text itself.
    public static func text(_ text: Data) -> Self { Self(source: .text(text)) }

    /// The path, or how long the text is.
    public var description: String {
        switch source {
        case .file(let path): "Pem(file: \(path))"
        case .text(let text): "Pem(\(text.count) bytes)"
        }
    }

    /// Nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }

    var generated: CMemcacheFFI.Pem {
        switch source {
        case .file(let path): .file(path: path)
        case .text(let text): .text(text: text)
        }
    }
}

/// A password. It never prints itself.
public struct Password: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible, CustomReflectable {
    let text: String

    /// The password as text.
    public init(_ text: String) { self.text = text }

    /// The password as text.
    public init(stringLiteral text: String) { self.init(text) }

    /// Not the password.
    public var description: String { "Password(hidden)" }

    /// Nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// How connections are secured. The defaults trust the system's CAs and demand that the certificate is the server's own.
///
/// TLS 1.2 and 1.3 are spoken. A server that is not trusted, or does not speak TLS, is ``CacheError/Code/tls``: nothing is ever
/// sent in plain instead.
public struct TlsOptions: Hashable, Sendable {
    /// The certificates of the CAs that are trusted; the system's own when there are none here.
    public var ca: Pem?
    /// The client's certificate and those between it and its CA, for servers that ask for one. Needs ``key``.
    public var certificate: Pem?
    /// The private key of ``certificate``, not encrypted.
    public var key: Pem?
    /// The name or IP address that the servers' certificates are for; each server's own host when there is none here.
    public var serverName: String?
    /// Danger: accepts any certificate of anybody, so that whoever sits between can read and change everything. For experiments
    /// only.
    public var dangerAcceptAnyCertificate: Bool

    /// What is not given keeps its default.
    public init(
        ca: Pem? = nil, certificate: Pem? = nil, key: Pem? = nil, serverName: String? = nil,
        dangerAcceptAnyCertificate: Bool = false
    ) {
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.serverName = serverName
        self.dangerAcceptAnyCertificate = dangerAcceptAnyCertificate
    }

    var generated: CMemcacheFFI.TlsOptions {
        CMemcacheFFI.TlsOptions(
            ca: ca?.generated, certificate: certificate?.generated, key: key?.generated, serverName: serverName,
            dangerAcceptAnyCertificate: dangerAcceptAnyCertificate)
    }
}
