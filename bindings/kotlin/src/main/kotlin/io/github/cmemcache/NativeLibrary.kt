package io.github.cmemcache

import com.sun.jna.Native
import com.sun.jna.Platform
import com.sun.jna.Pointer
import io.github.cmemcache.ffi.libraryVersion
import io.github.cmemcache.ffi.packedLayoutVersion

/** The version of this jar; the native library must be of the same. */
internal const val VERSION: String = "0.1.0"

/**
 * The two functions of the native library that hot operations call, bound by their generated names.
 *
 * Only `Long` and `Pointer` cross, no Structures: each of those would be a native allocation with a cleaner, and cost ten times
 * the call. The last argument is UniFFI's call status: a code byte, padded to 8, then a RustBuffer; 32 bytes that the
 * library leaves alone when all is well.
 */
internal object PackedFunctions {
    @JvmStatic
    external fun uniffi_cmemcache_fn_func_packed_call(
        client: Long,
        request: Long,
        requestLength: Long,
        value: Long,
        valueLength: Long,
        reply: Long,
        replyCapacity: Long,
        status: Pointer,
    ): Long

    @JvmStatic
    external fun uniffi_cmemcache_fn_func_packed_release(token: Long, status: Pointer)
}

/** Loads the native library once, or says for every client that it cannot be and what to do. */
internal object NativeLibrary {
    private val failure: NativeLibraryException? = try {
        Native.register(PackedFunctions::class.java, "cmemcache")
        mismatch(libraryVersion(), packedLayoutVersion().toInt())
    } catch (e: LinkageError) {
        unloadable(e)
    } catch (e: RuntimeException) {
        // The generated code compares its checksums while it is loaded and throws nothing more precise.
        unloadable(e)
    }

    /** Returns if the library can be used; otherwise throws [NativeLibraryException]. */
    fun ensureLoaded() {
        failure?.let { throw NativeLibraryException(it.message.orEmpty(), it.cause) }
    }

    /** The error of a library of another version than this jar; null if they fit. */
    fun mismatch(version: String, layout: Int): NativeLibraryException? {
        if (version == VERSION && layout == LAYOUT_VERSION) return null
        return NativeLibraryException(
            "the native library is cmemcache $version with packed layout $layout, but this jar is $VERSION with layout " +
                "$LAYOUT_VERSION: remove the other library from -Djna.library.path, or use the jar that was built with it",
            null,
        )
    }

    private fun unloadable(cause: Throwable): NativeLibraryException {
        val file = System.mapLibraryName("cmemcache")
        val root = generateSequence(cause) { it.cause }.last()
        return NativeLibraryException(
            "cannot load the native library of cmemcache $VERSION: ${root.message?.lineSequence()?.first()}. This jar needs " +
                "${Platform.RESOURCE_PREFIX}/$file inside itself or on the classpath, or $file in a folder named by " +
                "-Djna.library.path. Use a jar built for this platform, or build the library with `make build-kotlin`; on " +
                "JDK 24 and later allow native access with --enable-native-access=ALL-UNNAMED",
            cause,
        )
    }
}
