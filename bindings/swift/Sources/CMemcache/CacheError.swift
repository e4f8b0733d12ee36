/// An error of a call: who has to act, and where it is known at which server and in which phase.
///
/// A miss, a value that was not stored and a cas conflict are results, not errors. Blocking calls throw this type and no
/// other; `async` calls throw it or `CancellationError`.
public struct CacheError: Error, Sendable {
    /// Who has to act.
    public let code: Code
    /// What happened, in one line.
    public let message: String
    /// The server, as `host:port` or `unix:/path`, where one is to blame.
    public let server: String?
    /// What the call was doing, where that is known.
    public let phase: Phase?
    /// Whether the request had left when the call failed: the server may or may not have carried it out.
    public let outcomeUnknown: Bool
    /// The error of an encoder or decoder that caused this one.
    public let underlying: (any Error)?

    /// Makes an error. Programs need it only in tests of their own.
    public init(
        _ code: Code, _ message: String, server: String? = nil, phase: Phase? = nil, outcomeUnknown: Bool = false,
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.server = server
        self.phase = phase
        self.outcomeUnknown = outcomeUnknown
        self.underlying = underlying
    }
}

extension CacheError {
    /// The kind of an error. More kinds may be added: a `switch` needs a `default`.
    public struct Code: Hashable, Sendable {
        /// The kind's number: 64 to 127 are the core's and the same in every language, from 128 on those of this package.
        public let rawValue: UInt8

        init(_ rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// The key, prefix included, is longer than 250 bytes (186 as base64). Nothing was sent.
        public static let keyTooLong = Self(64)
        /// The key is empty or holds a byte of 0x00-0x20 or 0x7f. Nothing was sent.
        public static let keyCharacter = Self(65)
        /// An argument is out of its range; the message names it and the limit. Nothing was sent.
        public static let invalidArgument = Self(66)
        /// The value is larger than the client's maximum (nothing was sent) or than the server's.
        public static let valueTooLarge = Self(67)
        /// The client has no servers.
        public static let noServers = Self(68)
        /// The client was shut down.
        public static let closed = Self(69)
        /// The server refuses connections, or failed too often to be asked again yet.
        public static let serverDown = Self(70)
        /// The call's deadline passed.
        public static let timeout = Self(71)
        /// The server closed or reset the connection during the call.
        public static let disconnected = Self(72)
        /// What came is not memcached's protocol, or not the reply to what was asked. The connection was closed.
        public static let `protocol` = Self(73)
        /// The server answered with an error of its own; the message holds its words.
        public static let serverError = Self(74)
        /// The server wants credentials, or refused them.
        public static let auth = Self(75)
        /// The server's protocol, or a client with ``ValueOptions/signingKeys``, has no such operation.
        public static let unsupported = Self(76)
        /// `incr` or `decr` on a value that is not a decimal number.
        public static let notNumeric = Self(77)
        /// No secure connection: a certificate was refused, on this side or by the server, or the server speaks no TLS.
        public static let tls = Self(78)

        /// The stored value cannot be read as the type that was asked for; the message names the key and its flags.
        public static let undecodableValue = Self(128)
        /// The stored value is in a form of another writer that is not read here; the message names the key, the writer and the way out.
        public static let foreignValue = Self(129)
        /// The value's own `encode(to:)`, or JSON, refused it; see ``CacheError/underlying``. Nothing was sent.
        public static let unencodableValue = Self(130)
        /// The cmemcache library that was linked is not of this package's version.
        public static let incompatibleLibrary = Self(131)
        /// A defect of this library. Please report it.
        public static let internalFault = Self(132)
        /// The stored value is not signed, or not with one of ``ValueOptions/signingKeys`` for this key. None of it was read.
        public static let untrustedValue = Self(133)
    }

    /// What a call was doing when it failed. More phases may be added.
    public struct Phase: Hashable, Sendable {
        /// The phase's name.
        public let name: String

        init(_ name: String) {
            self.name = name
        }

        /// Looking the server's name up.
        public static let resolve = Self("resolve")
        /// Opening the connection.
        public static let connect = Self("connect")
        /// Finding out which protocol the server speaks.
        public static let handshake = Self("handshake")
        /// Waiting for a connection or, in an `async` call, for a thread.
        public static let queue = Self("queue")
        /// Sending the request.
        public static let write = Self("write")
        /// Waiting for the reply.
        public static let read = Self("read")
    }
}

extension CacheError.Code: CustomStringConvertible {
    private static let names: [Self: String] = [
        .keyTooLong: "keyTooLong", .keyCharacter: "keyCharacter", .invalidArgument: "invalidArgument",
        .valueTooLarge: "valueTooLarge", .noServers: "noServers", .closed: "closed", .serverDown: "serverDown",
        .timeout: "timeout", .disconnected: "disconnected", .protocol: "protocol",
        .serverError: "serverError", .auth: "auth", .unsupported: "unsupported", .notNumeric: "notNumeric", .tls: "tls",
        .undecodableValue: "undecodableValue", .foreignValue: "foreignValue", .unencodableValue: "unencodableValue",
        .incompatibleLibrary: "incompatibleLibrary", .internalFault: "internalFault",
        .untrustedValue: "untrustedValue",
    ]

    /// The name of the constant, such as `timeout`.
    public var description: String {
        Self.names[self] ?? "code \(rawValue)"
    }
}

extension CacheError.Phase: CustomStringConvertible {
    /// The phase's name.
    public var description: String { name }
}

extension CacheError: CustomStringConvertible {
    /// Code and message in one line.
    public var description: String { "\(code): \(message)" }
}
