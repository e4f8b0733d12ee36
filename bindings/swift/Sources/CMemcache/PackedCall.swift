import CMemcacheC
import CMemcacheFFI
import Foundation

/// The second door to the core: one operation as flat bytes, in one crossing.
///
/// A value travels from the caller's memory to the socket, and from the reply into a `Data`, without a copy in between; the
/// generated calls move the bytes of a value one at a time.
struct PackedCall: Sendable {
    /// Capacity of the reply buffer. A larger payload is kept by the core and copied from there, at the cost of a second
    /// crossing.
    private static let replyCapacity = 4096

    /// The number by which the core knows the client; it holds as long as the client lives.
    private let number: UInt64
    private let client: CMemcacheFFI.StringClient

    init(_ client: CMemcacheFFI.StringClient) {
        self.client = client
        number = client.packedHandle()
    }

    /// Runs a request and gives the reply to `read`; the payload is valid only during that call.
    func run<R>(
        _ request: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer = .empty,
        read: (PackedHead, UnsafeRawBufferPointer) -> R
    ) -> Result<R, CacheError> {
        withUnsafeTemporaryAllocation(byteCount: Self.replyCapacity, alignment: 16) { reply in
            var status = RustCallStatus()
            let length = withExtendedLifetime(client) {
                uniffi_cmemcache_fn_func_packed_call(
                    number, request.address, UInt64(request.count), value.address, UInt64(value.count),
                    UnsafeRawBufferPointer(reply).address, UInt64(reply.count), &status)
            }
            guard status.code == 0 else {
                return .failure(Self.fault(&status))
            }
            guard length >= PackedHead.length, length <= Self.replyCapacity else {
                return .failure(.malformedReply("\(length) bytes"))
            }
            let written = UnsafeRawBufferPointer(rebasing: reply[..<Int(length)])
            let head = PackedHead(written)
            if head.payloadIsKept {
                return Self.readKept(head, written, read)
            }
            return .success(read(head, UnsafeRawBufferPointer(rebasing: written[PackedHead.length...])))
        }
    }

    private static func readKept<R>(
        _ head: PackedHead, _ reply: UnsafeRawBufferPointer, _ read: (PackedHead, UnsafeRawBufferPointer) -> R
    ) -> Result<R, CacheError> {
        guard reply.count == PackedHead.keptLength else {
            return .failure(.malformedReply("\(reply.count) bytes about a kept payload"))
        }
        let address: UInt64 = reply.number(at: 16)
        let length: UInt64 = reply.number(at: 24)
        let payload = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(address)), count: Int(length))
        defer {
            var status = RustCallStatus()
            uniffi_cmemcache_fn_func_packed_release(reply.number(at: 32), &status)
        }
        return .success(read(head, payload))
    }

    /// The core panicked: its message is in the status.
    private static func fault(_ status: inout RustCallStatus) -> CacheError {
        let text = UnsafeRawBufferPointer(start: status.errorBuf.data, count: Int(status.errorBuf.len))
        let error = CacheError(.internalFault, "the core panicked: \(String(decoding: text, as: UTF8.self))")
        var ignored = RustCallStatus()
        ffi_cmemcache_rustbuffer_free(status.errorBuf, &ignored)
        return error
    }
}

extension UnsafeRawBufferPointer {
    /// The address of the memory, 0 for none.
    fileprivate var address: UInt64 {
        UInt64(UInt(bitPattern: baseAddress))
    }
}
