import CZlib
import Foundation

/// zlib streams, as Python's `zlib` writes them.
enum Zlib {
    /// Why a stream was refused.
    enum Fault: Error {
        /// It is none, is cut off, or something follows it.
        case corrupt
        /// What it holds is larger than this many bytes.
        case tooLarge(Int)
    }

    /// The bytes as a stream; `nil` if that saves nothing.
    static func compress(_ bytes: Data) -> Data? {
        var length = uLong(bytes.count)
        var stream = Data(count: bytes.count)
        let code = stream.withUnsafeMutableBytes { stream in
            bytes.withUnsafeBytes { bytes in
                compress2(stream.zlibBytes, &length, bytes.zlibBytes, uLong(bytes.count), Z_DEFAULT_COMPRESSION)
            }
        }
        // A stream that does not fit is not smaller than the bytes.
        guard code == Z_OK, length < bytes.count else { return nil }
        return stream.prefix(Int(length))
    }

    /// What a stream holds, up to `limit` bytes.
    static func decompress(_ stream: Data, limit: Int) throws(Fault) -> Data {
        var inflater = z_stream()
        guard inflateInit_(&inflater, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { throw .corrupt }
        defer { inflateEnd(&inflater) }
        var bytes = Data()
        // One byte more tells a value of just the limit from a larger one.
        let roof = limit + 1
        // Ordinary values grow four times; further rooms are as large as all before them.
        var room = min(max(stream.count * 4, 1024), roof)
        while true {
            let before = bytes.count
            bytes.count += room
            let code = stream.withUnsafeBytes { stream in
                bytes.withUnsafeMutableBytes { bytes in
                    inflater.next_in = UnsafeMutablePointer(mutating: stream.zlibBytes?.advanced(by: Int(inflater.total_in)))
                    inflater.avail_in = uInt(stream.count - Int(inflater.total_in))
                    inflater.next_out = bytes.zlibBytes?.advanced(by: before)
                    inflater.avail_out = uInt(room)
                    return inflate(&inflater, Z_NO_FLUSH)
                }
            }
            bytes.count = Int(inflater.total_out)
            guard bytes.count <= limit else { throw .tooLarge(limit) }
            if code == Z_STREAM_END {
                guard inflater.total_in == stream.count else { throw .corrupt }
                return bytes
            }
            // Only a lack of room lets the loop go on: whatever else is missing will not come.
            guard code == Z_OK || code == Z_BUF_ERROR, inflater.avail_out == 0 else { throw .corrupt }
            room = min(bytes.count, roof - bytes.count)
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate var zlibBytes: UnsafePointer<Bytef>? { baseAddress?.assumingMemoryBound(to: Bytef.self) }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate var zlibBytes: UnsafeMutablePointer<Bytef>? { baseAddress?.assumingMemoryBound(to: Bytef.self) }
}
