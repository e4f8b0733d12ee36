import Foundation

/// The operations of the packed layout. The layout itself is described in core/src/ffi/packed.rs; all numbers are
/// little-endian and unaligned.
enum PackedOperation: UInt8 {
    case get = 1
    case gets
    case gat
    case gats
    case set
    case add
    case replace
    case append
    case prepend
    case cas
    case delete
    case incr
    case decr
    case touch
    case getMulti = 16
    case getsMulti
    case setMulti
    case deleteMulti
}

/// The version of the packed layout that is spoken here.
let packedLayoutVersion: UInt32 = 2

/// Writes a request from front to back into memory that is large enough.
struct PackedWriter {
    /// Bytes of the head of every request.
    static let headLength = 8
    /// The bit that tells that an initial value is given (incr, decr).
    static let initialBit: UInt16 = 2
    /// The bit that tells that the keys of a batch stand end to end, behind their lengths.
    static let lengthsBit: UInt16 = 4

    private let memory: UnsafeMutableRawBufferPointer
    private(set) var length = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
    }

    /// The head; a timeout of 0 ms stands for the client's own.
    mutating func head(_ operation: PackedOperation, bits: UInt16 = 0, timeout: UInt32) {
        put(UInt8(packedLayoutVersion))
        put(operation.rawValue)
        put(bits)
        put(timeout)
    }

    mutating func put(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { put($0) }
    }

    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: memory[length...]).copyMemory(from: bytes)
        length += bytes.count
    }

    /// What was written.
    var request: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[..<length])
    }
}

/// The status of a reply or of one entry of a batch.
struct PackedStatus: Equatable {
    let rawValue: UInt8

    static let success = Self(rawValue: 0)
    static let miss = Self(rawValue: 1)
    static let notStored = Self(rawValue: 2)
    static let exists = Self(rawValue: 3)

    var isError: Bool { rawValue >= 64 }

    /// The outcome of a store; `nil` where the status is none of one.
    var storeOutcome: StoreOutcome? {
        switch self {
        case .success: .stored
        case .miss: .notFound
        case .notStored: .notStored
        case .exists: .exists
        default: nil
        }
    }
}

/// The first 16 bytes of every reply.
struct PackedHead {
    static let length = 16
    /// Length of a reply whose payload is kept: the head, then address, length and token of the payload.
    static let keptLength = 40

    let status: PackedStatus
    let bits: UInt8
    let phase: UInt16
    /// Flags of the item, count of a batch, or length of the server's name in an error.
    let flags: UInt32
    /// The cas token or the number.
    let number: UInt64

    init(_ reply: UnsafeRawBufferPointer) {
        status = PackedStatus(rawValue: reply[0])
        bits = reply[1]
        phase = reply.number(at: 2)
        flags = reply.number(at: 4)
        number = reply.number(at: 8)
    }

    var payloadIsKept: Bool { bits & 1 != 0 }
    var outcomeUnknown: Bool { bits & 2 != 0 }

    /// The error that this head and its payload tell.
    func error(_ payload: UnsafeRawBufferPointer) -> CacheError {
        CacheError(packed: status, serverLength: flags, text: payload, phase: phase, outcomeUnknown: outcomeUnknown)
    }
}

extension CacheError {
    /// `text` is the server's name, `serverLength` bytes long, and then the message.
    init(
        packed status: PackedStatus, serverLength: UInt32, text: UnsafeRawBufferPointer, phase: UInt16,
        outcomeUnknown: Bool
    ) {
        let server = text.prefix(Int(serverLength))
        let phases: [Phase] = [.resolve, .connect, .handshake, .queue, .write, .read]
        self.init(
            Code(status.rawValue), String(decoding: text.dropFirst(server.count), as: UTF8.self),
            server: server.isEmpty ? nil : String(decoding: server, as: UTF8.self),
            phase: (1...phases.count).contains(Int(phase)) ? phases[Int(phase) - 1] : nil, outcomeUnknown: outcomeUnknown)
    }

    static func malformedReply(_ what: String) -> CacheError {
        CacheError(.internalFault, "malformed packed reply: \(what)")
    }
}

/// The columns of a batch's payload, checked to lie within it.
struct PackedBatch {
    let count: Int
    private let payload: UnsafeRawBufferPointer
    private let hasCas: Bool
    private var flagsAt: Int { count }
    private var casAt: Int { count * 5 }
    private var lengthsAt: Int { casAt + (hasCas ? count * 8 : 0) }
    private var valuesAt: Int { lengthsAt + count * 4 }

    /// One key's part.
    struct Entry {
        let status: PackedStatus
        let flags: UInt32
        let cas: UInt64?
        let value: UnsafeRawBufferPointer

        var error: CacheError? {
            guard status.isError else { return nil }
            return CacheError(
                packed: status, serverLength: flags & 0xffff, text: value, phase: UInt16(flags >> 16 & 0xff),
                outcomeUnknown: flags >> 24 & 1 != 0)
        }

        var item: Item {
            Item(value: Data(value), flags: flags, cas: cas)
        }
    }

    init(_ head: PackedHead, _ payload: UnsafeRawBufferPointer, keys: Int, hasCas: Bool) throws(CacheError) {
        self.payload = payload
        self.hasCas = hasCas
        count = Int(head.flags)
        guard count == keys, payload.count >= valuesAt else {
            throw .malformedReply("\(count) entries in \(payload.count) bytes for \(keys) keys")
        }
    }

    /// Calls `body` with each entry, in the order of the keys. The values are valid only during the call.
    func forEach(_ body: (Int, Entry) -> Void) throws(CacheError) {
        var valueAt = valuesAt
        for index in 0..<count {
            let length: UInt32 = payload.number(at: lengthsAt + index * 4)
            let end = valueAt + Int(length)
            guard end <= payload.count else {
                throw .malformedReply("value \(index) ends at \(end) of \(payload.count) bytes")
            }
            let cas: UInt64? = hasCas ? payload.number(at: casAt + index * 8) : nil
            let entry = Entry(
                status: PackedStatus(rawValue: payload[index]), flags: payload.number(at: flagsAt + index * 4), cas: cas,
                value: UnsafeRawBufferPointer(rebasing: payload[valueAt..<end]))
            body(index, entry)
            valueAt = end
        }
    }
}

extension UnsafeRawBufferPointer {
    static var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The little-endian number at an offset.
    func number<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
