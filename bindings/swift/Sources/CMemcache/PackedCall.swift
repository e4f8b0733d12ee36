import CMemcacheC
import CMemcacheFFI
import Foundation

/// The second door to the core: one operation as flat bytes, in one crossing.
///
/// A value travels from the caller's memory to the socket, and from the reply into a `Data`, without a copy in between; the
/// generated calls move the bytes of a value one at a time.
struct PackedCall: Sendable {
    /// What carries out a request: takes request, value and memory for the reply, returns the length of the reply.
    typealias Door = @Sendable (UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Result<
        Int, CacheError
    >

    /// Capacity of the reply buffer. A larger payload is kept by the core and copied from there, at the cost of a second
    /// crossing.
    static let replyCapacity = 4096

    private let door: Door

    /// Calls through `door`: the core's, or in tests one that shows what passes.
    init(door: @escaping Door) {
        self.door = door
    }

    /// Calls to the core. The client lives as long as this.
    init(_ client: CMemcacheFFI.StringClient) {
        let number = client.packedHandle()
        self.init { request, value, reply in
            var status = RustCallStatus()
            let length = withExtendedLifetime(client) {
                uniffi_cmemcache_fn_func_packed_call(
                    number, request.address, UInt64(request.count), value.address, UInt64(value.count),
                    UnsafeRawBufferPointer(reply).address, UInt64(reply.count), &status)
            }
            return status.code == 0 ? .success(Int(length)) : .failure(Self.fault(&status))
        }
    }

    /// Runs a request and gives the reply to `read`; the payload is valid only during that call.
    func run<R>(
        _ request: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer = .empty,
        read: (PackedHead, UnsafeRawBufferPointer) -> R
    ) -> Result<R, CacheError> {
        withUnsafeTemporaryAllocation(byteCount: Self.replyCapacity, alignment: 16) { reply in
            door(request, value, reply).flatMap { length in
                guard length >= PackedHead.length, length <= reply.count else {
                    return .failure(.malformedReply("\(length) bytes"))
                }
                let written = UnsafeRawBufferPointer(rebasing: reply[..<length])
                let head = PackedHead(written)
                if head.payloadIsKept {
                    return Self.readKept(head, written, read)
                }
                return .success(read(head, UnsafeRawBufferPointer(rebasing: written[PackedHead.length...])))
            }
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
