import CMemcacheFFI
import Foundation

/// Signs values and verifies them, by the core's `Signer`, whose documentation describes the form.
struct Signing: Sendable {
    private let signer: Signer
    private let keyPrefix: Data

    /// `nil` without keys.
    init?(keys: [Data], keyPrefix: Data) throws(CacheError) {
        if keys.isEmpty { return nil }
        signer = try CacheError.translating { try Signer(keys: keys) }
        self.keyPrefix = keyPrefix
    }

    func seal(_ item: Item, key: some CacheKey) throws(CacheError) -> Item {
        let wireKey = wire(key)
        // No server takes a longer key; which error it is stays the core's to say.
        if wireKey.count > 250 { return item }
        let sealed = try CacheError.translating { try signer.seal(key: wireKey, value: item.value, flags: item.flags) }
        return Item(value: sealed, flags: Flags.signed)
    }

    func open(_ item: Item, key: some CacheKey) throws(CacheError) -> Item {
        guard let opened = signer.open(key: wire(key), value: item.value, flags: item.flags) else {
            let problem =
                item.flags == Flags.signed
                ? "has a signature of none of the signingKeys for this key: it was tampered with or moved, or signed with another "
                    + "key; delete it, or add the key that signed it"
                : "is not signed, and this client has signingKeys; delete it, or read it with a client without"
            throw CacheError(.untrustedValue, "value of key \(key.shownInMessages) with flags \(item.flags) \(problem)")
        }
        return Item(value: opened.value, flags: opened.flags, cas: item.cas)
    }

    /// The key as the server sees it.
    private func wire(_ key: some CacheKey) -> Data {
        key.withCacheBytes { keyPrefix + Data($0) }
    }
}

extension CacheClient {
    /// Refuses what would have the server change a signed value.
    func refuseIfSigned(_ operation: String) throws(CacheError) {
        guard let client = self as? Client, client.codec.signing != nil else { return }
        throw CacheError(
            .unsupported,
            "\(operation) would leave a value without its signature: a client with signingKeys cannot do it; use a client "
                + "without, under other keys")
    }
}
