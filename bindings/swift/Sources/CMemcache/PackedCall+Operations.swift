import Foundation

/// Each hot operation over the packed call. `timeout` is the call's own in milliseconds, 0 for the client's.
extension PackedCall {
    func get(_ operation: PackedOperation, _ key: some CacheKey, timeout: UInt32) throws(CacheError) -> Item? {
        try one(operation, key, timeout: timeout, read: { Self.item($0, $1, withCas: operation == .gets) })
    }

    func getAndTouch(
        _ operation: PackedOperation, _ key: some CacheKey, ttl: Duration?, timeout: UInt32
    ) throws(CacheError) -> Item? {
        let exptime = try exptime(ttl)
        return try one(
            operation, key, timeout: timeout, fields: { $0.put(exptime) },
            read: { Self.item($0, $1, withCas: operation == .gats) })
    }

    func store(
        _ operation: PackedOperation, _ key: some CacheKey, _ value: some CacheBytes, flags: UInt32, ttl: Duration?,
        cas: UInt64? = nil, timeout: UInt32
    ) throws(CacheError) -> StoreOutcome {
        let exptime = try exptime(ttl)
        return try stored(operation, key, value, timeout: timeout) {
            $0.put(flags)
            $0.put(exptime)
            if let cas {
                $0.put(cas)
            }
        }
    }

    /// append and prepend: flags and exptime of the item stay.
    func extend(
        _ operation: PackedOperation, _ key: some CacheKey, _ value: some CacheBytes, timeout: UInt32
    ) throws(CacheError) -> StoreOutcome {
        try stored(operation, key, value, timeout: timeout) { _ in }
    }

    func delete(_ key: some CacheKey, timeout: UInt32) throws(CacheError) -> Bool {
        try one(.delete, key, timeout: timeout, read: { head, _ in head.status == .success })
    }

    func count(
        _ operation: PackedOperation, _ key: some CacheKey, by delta: UInt64, initial: UInt64?, ttl: Duration?,
        timeout: UInt32
    ) throws(CacheError) -> UInt64? {
        let exptime = try exptime(ttl)
        return try one(
            operation, key, bits: initial == nil ? 0 : PackedWriter.initialBit, timeout: timeout,
            fields: {
                $0.put(delta)
                $0.put(initial ?? 0)
                $0.put(exptime)
            },
            read: { head, _ in head.status == .success ? head.number : nil })
    }

    func touch(_ key: some CacheKey, ttl: Duration?, timeout: UInt32) throws(CacheError) -> Bool {
        let exptime = try exptime(ttl)
        return try one(
            .touch, key, timeout: timeout, fields: { $0.put(exptime) }, read: { head, _ in head.status == .success })
    }

    private static func item(_ head: PackedHead, _ payload: UnsafeRawBufferPointer, withCas: Bool) -> Item? {
        guard head.status == .success else { return nil }
        return Item(value: Data(payload), flags: head.flags, cas: withCas ? head.number : nil)
    }

    private func stored(
        _ operation: PackedOperation, _ key: some CacheKey, _ value: some CacheBytes, timeout: UInt32,
        fields: (inout PackedWriter) -> Void
    ) throws(CacheError) -> StoreOutcome {
        let result = value.withCacheBytes { value in
            Result { () throws(CacheError) in
                try one(operation, key, value: value, timeout: timeout, fields: fields, read: { head, _ in head.status })
            }
        }
        let status = try result.get()
        guard let outcome = status.storeOutcome else {
            throw .malformedReply("status \(status.rawValue) of a store")
        }
        return outcome
    }

    /// Runs an operation on one key. An error status is thrown; `read` sees the others.
    private func one<R>(
        _ operation: PackedOperation, _ key: some CacheKey, value: UnsafeRawBufferPointer = .empty, bits: UInt16 = 0,
        timeout: UInt32, fields: (inout PackedWriter) -> Void = { _ in },
        read: (PackedHead, UnsafeRawBufferPointer) -> R
    ) throws(CacheError) -> R {
        let result = key.withCacheBytes { key in
            // The longest fields are those of incr and decr: three numbers of 8 bytes.
            withUnsafeTemporaryAllocation(byteCount: PackedWriter.headLength + 24 + key.count, alignment: 8) { memory in
                var writer = PackedWriter(memory)
                writer.head(operation, bits: bits, timeout: timeout)
                fields(&writer)
                writer.put(key)
                return run(writer.request, value: value) { head, payload -> Result<R, CacheError> in
                    head.status.isError ? .failure(head.error(payload)) : .success(read(head, payload))
                }
            }
        }
        return try result.get().get()
    }
}
