import Foundation

/// The limit: one blocking socket, requests written and replies read with nothing between. It looks at
/// no reply, so it is no client.
final class RawSocket: @unchecked Sendable {
    private let descriptor: Int32
    private var reply = [UInt8](repeating: 0, count: 1 << 20)

    init(port: UInt16) throws {
        #if canImport(Glibc)
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var noDelay: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw Fault("cannot connect to port \(port): \(errno)") }
    }

    deinit {
        close(descriptor)
    }

    /// Sends a request and reads a reply of a length that is known.
    func exchange(_ request: [UInt8], replyLength: Int) throws {
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
            guard count > 0 else { throw Fault("connection lost: \(errno)") }
            sent += count
        }
        var left = replyLength
        while left > 0 {
            let count = reply.withUnsafeMutableBytes { read(descriptor, $0.baseAddress!, min($0.count, left)) }
            guard count > 0 else { throw Fault("connection lost: \(errno)") }
            left -= count
        }
    }
}

struct Fault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
