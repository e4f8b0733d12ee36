import CMemcacheC

/// The cmemcache library behind this package.
public enum Library {
    /// The version of this package; the linked library has the same one, or no client can be made.
    public static let version = "0.1.0"

    /// Whether the linked library fits this package. Asked once, before the first generated call: that one would end the
    /// process where it does not fit.
    private static let fault: CacheError? = {
        var status = RustCallStatus()
        let layout = uniffi_cmemcache_fn_func_packed_layout_version(&status)
        let linked = linkedVersion
        guard linked == version, layout == packedLayoutVersion else {
            return CacheError(
                .incompatibleLibrary,
                "the linked cmemcache library is version \(linked) with packed layout \(layout); "
                    + "this package needs version \(version) with layout \(packedLayoutVersion)")
        }
        return nil
    }()

    private static var linkedVersion: String {
        var status = RustCallStatus()
        let text = uniffi_cmemcache_fn_func_library_version(&status)
        defer { ffi_cmemcache_rustbuffer_free(text, &status) }
        return String(decoding: UnsafeRawBufferPointer(start: text.data, count: Int(text.len)), as: UTF8.self)
    }

    static func check() throws(CacheError) {
        if let fault {
            throw fault
        }
    }
}
