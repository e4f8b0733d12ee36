import CMemcache
import Foundation

/// A real memcached on a free loopback port, ended by its process id.
final class Memcached: @unchecked Sendable {
    let port: UInt16
    private let arguments: [String]
    private var shell: Process?
    private var leash = Pipe()
    private(set) var processId: pid_t = 0

    var address: String { "127.0.0.1:\(port)" }
    var server: ServerSpec { ServerSpec(address) }

    /// Starts one and waits until it takes connections.
    init(_ arguments: String...) throws {
        self.arguments = arguments
        port = try freePort()
        try start()
    }

    deinit {
        stop()
    }

    /// The shell ends memcached when its input closes: also when the tests die without cleaning up.
    func start() throws {
        let shell = Process()
        let output = Pipe()
        leash = Pipe()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        let script = "memcached \"$@\" </dev/null >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -9 $! 2>/dev/null; wait"
        let user = getuid() == 0 ? ["-u", "root"] : []
        shell.arguments = ["-c", script, "sh", "-l", "127.0.0.1", "-p", "\(port)", "-U", "0"] + user + arguments
        shell.standardInput = leash
        shell.standardOutput = output
        try shell.run()
        self.shell = shell
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        processId = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        try waitUntilItListens()
    }

    /// Kills the server; the port stays its own until `start`.
    func stop() {
        try? leash.fileHandleForWriting.close()
        shell?.waitUntilExit()
        shell = nil
    }

    private func waitUntilItListens() throws {
        let client = try StringClient(servers: [server], options: patient)
        for _ in 0..<3000 {
            client.forgetDeadHosts()
            // Who asks for TLS or credentials has answered with that.
            switch try client.version().first?.error?.code {
            case nil, .auth: return
            case .disconnected, .timeout, .protocol: if arguments.contains("-Z") { return }
            default: break
            }
            usleep(10_000)
        }
        throw Unfit("memcached did not listen on \(address) within 30 seconds")
    }
}

/// Why a test could not begin.
struct Unfit: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A listening socket that is no memcached.
final class FakeServer: @unchecked Sendable {
    let port: UInt16
    private let listener: Int32

    var server: ServerSpec { ServerSpec("127.0.0.1:\(port)") }

    /// Listens and never accepts: calls connect, send and wait in vain.
    init() throws {
        (listener, port) = try listen()
    }

    /// Answers the first bytes of every connection with these, and closes it.
    convenience init(answering reply: String) throws {
        try self.init()
        let listener = listener
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                var request = [UInt8](repeating: 0, count: 4096)
                if read(connection, &request, request.count) > 0 {
                    _ = Array(reply.utf8).withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
                }
                close(connection)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// Whether anybody connected since the start. Only for a server that never accepts.
    var wasContacted: Bool {
        var descriptor = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 50) > 0
    }
}

private func listen() throws -> (Int32, UInt16) {
    let (listener, port) = try bound(shared: false)
    guard listen(listener, 128) == 0 else { throw Unfit("nobody can listen on port \(port): \(errno)") }
    return (listener, port)
}

private func bound(shared: Bool) throws -> (Int32, UInt16) {
    #if canImport(Glibc)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var share = Int32(shared ? 1 : 0)
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &share, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    // What is shared is bound on every address, and a server then listens on one of them.
    address.sin_addr.s_addr = shared ? 0 : UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
        }
    }
    guard isBound else { throw Unfit("no loopback port could be had: \(errno)") }
    return (listener, UInt16(bigEndian: address.sin_port))
}

/// A port on which nobody listens, and that the system gives to nobody while the tests run: it is bound and never listens, so
/// that who connects is refused, and a server that asks to share it, as memcached does, may listen, end and come back.
func freePort() throws -> UInt16 {
    try bound(shared: true).1
}
