import Foundation

/// Each batch operation over the packed call.
extension PackedCall {
    func getMulti<K: CacheKey>(
        _ operation: PackedOperation, _ keys: [K], timeout: UInt32
    ) throws(CacheError) -> MultiResult<K, Item> {
        let request = try Self.request(operation, keys, timeout: timeout)
        return try batch(request, keys: keys, hasCas: operation == .getsMulti) { entry in
            entry.status == .success ? entry.item : nil
        }
    }

    func deleteMulti<K: CacheKey>(_ keys: [K], timeout: UInt32) throws(CacheError) -> MultiResult<K, Bool> {
        let request = try Self.request(.deleteMulti, keys, timeout: timeout)
        return try batch(request, keys: keys) { $0.status == .success }
    }

    func setMulti<K: CacheKey>(
        _ entries: [StoreEntry<K>], ttl: Duration?, timeout: UInt32
    ) throws(CacheError) -> MultiResult<K, StoreOutcome> {
        let exptime = try exptime(ttl)
        var values = [UInt8]()
        var valueLengths = [UInt32]()
        valueLengths.reserveCapacity(entries.count)
        for entry in entries {
            let before = values.count
            entry.value.withCacheBytes { values.append(contentsOf: $0) }
            valueLengths.append(try Self.length(values.count - before, of: "value", key: entry.key))
        }
        let keys = entries.map(\.key)
        let request = try Self.request(.setMulti, keys, timeout: timeout, exptime: exptime) { writer in
            valueLengths.forEach { writer.put($0) }
            entries.forEach { writer.put($0.flags) }
        }
        return try batch(request, values: values, keys: keys) { $0.status.storeOutcome }
    }

    /// Head, count, exptime where there is one, further columns of 8 bytes a key, lengths of the keys, keys.
    // Ordinary batches have text keys: code made for them takes a quarter less processor time than generic code.
    @_specialize(where K == String)
    private static func request<K: CacheKey>(
        _ operation: PackedOperation, _ keys: [K], timeout: UInt32, exptime: Int64? = nil,
        columns: (inout PackedWriter) -> Void = { _ in }
    ) throws(CacheError) -> [UInt8] {
        var names = [UInt8]()
        names.reserveCapacity(keys.count * 32)
        var lengths = [UInt32]()
        lengths.reserveCapacity(keys.count)
        for key in keys {
            let before = names.count
            key.withCacheBytes { names.append(contentsOf: $0) }
            lengths.append(try length(names.count - before, of: "key", key: key))
        }
        guard let count = UInt32(exactly: keys.count) else {
            throw CacheError(.invalidArgument, "batch of \(keys.count) keys is over the limit of \(UInt32.max)")
        }
        let capacity = PackedWriter.headLength + 12 + keys.count * 12 + names.count
        return [UInt8](unsafeUninitializedCapacity: capacity) { memory, initialized in
            var writer = PackedWriter(UnsafeMutableRawBufferPointer(memory))
            writer.head(operation, bits: PackedWriter.lengthsBit, timeout: timeout)
            writer.put(count)
            if let exptime {
                writer.put(exptime)
            }
            columns(&writer)
            lengths.forEach { writer.put($0) }
            names.withUnsafeBytes { writer.put($0) }
            initialized = writer.length
        }
    }

    private static func length(_ length: Int, of what: String, key: some CacheKey) throws(CacheError) -> UInt32 {
        guard let length = UInt32(exactly: length) else {
            throw CacheError(.invalidArgument, "\(what) of \(length) bytes is over the limit of \(UInt32.max)")
        }
        return length
    }

    /// Runs a batch. `read` turns an entry without error into its value; `nil` leaves the key out.
    private func batch<K: CacheKey, V>(
        _ request: [UInt8], values: [UInt8] = [], keys: [K], hasCas: Bool = false, read: (PackedBatch.Entry) -> V?
    ) throws(CacheError) -> MultiResult<K, V> {
        let reply = request.withUnsafeBytes { request in
            values.withUnsafeBytes { values in
                run(request, value: values) { head, payload in
                    Result { () throws(CacheError) in
                        if head.status.isError {
                            throw head.error(payload)
                        }
                        let batch = try PackedBatch(head, payload, keys: keys.count, hasCas: hasCas)
                        return try Self.collect(batch, keys: keys, read: read)
                    }
                }
            }
        }
        return try reply.get().get()
    }

    @_specialize(where K == String, V == Item)
    private static func collect<K: CacheKey, V>(
        _ batch: PackedBatch, keys: [K], read: (PackedBatch.Entry) -> V?
    ) throws(CacheError) -> MultiResult<K, V> {
        var result = MultiResult<K, V>()
        result.values.reserveCapacity(keys.count)
        try batch.forEach { index, entry in
            if let error = entry.error {
                result.errors[keys[index]] = error
            } else if let value = read(entry) {
                result.values[keys[index]] = value
            }
        }
        return result
    }
}
