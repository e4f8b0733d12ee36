package io.github.cmemcache

import com.sun.jna.Native
import com.sun.jna.Pointer
import java.lang.invoke.MethodHandle
import java.lang.invoke.MethodHandles
import java.lang.invoke.MethodType
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.ArrayBlockingQueue

/** Native memory that the library reads or writes during a call, and its view from here. */
internal class NativeMemory private constructor(val bytes: ByteBuffer, val address: Long) {
    val capacity: Int = bytes.capacity()

    companion object {
        /** Memory that lives as long as the object. */
        fun lasting(capacity: Int): NativeMemory {
            val bytes = ByteBuffer.allocateDirect(capacity).order(ByteOrder.LITTLE_ENDIAN)
            return NativeMemory(bytes, Pointer.nativeValue(Native.getDirectBufferPointer(bytes)))
        }

        /** Memory that [free] must give back: not zeroed, not counted against the limit of direct buffers. */
        fun temporary(capacity: Int): NativeMemory {
            val address = Native.malloc(capacity.toLong())
            if (address == 0L) throw OutOfMemoryError("no $capacity bytes of native memory for a request")
            val bytes = Pointer(address).getByteBuffer(0, capacity.toLong()).order(ByteOrder.LITTLE_ENDIAN)
            return NativeMemory(bytes, address)
        }

        fun free(memory: NativeMemory) = Native.free(memory.address)
    }
}

/**
 * What one call needs of native memory: request, value, reply and call status. One call at a time uses it.
 *
 * A platform thread keeps one for good, 48 KiB. A virtual thread borrows one for the call: there may be a million of
 * them. Requests and values that do not fit get memory for their call alone; a reply that does not fit is kept by the library.
 */
internal class Scratch {
    val request: NativeMemory = NativeMemory.lasting(REQUEST_SIZE)
    val value: NativeMemory = NativeMemory.lasting(VALUE_SIZE)
    val reply: NativeMemory = NativeMemory.lasting(REPLY_SIZE)

    /** Zeroed; the library writes to it only when a call panicked. */
    val status: NativeMemory = NativeMemory.lasting(STATUS_SIZE)
    val statusPointer: Pointer = Pointer(status.address)

    companion object {
        private const val REQUEST_SIZE = 16 * 1024
        private const val VALUE_SIZE = 16 * 1024
        private const val REPLY_SIZE = 16 * 1024
        private const val STATUS_SIZE = 32

        private val ofThread: ThreadLocal<Scratch> = ThreadLocal.withInitial(::Scratch)
        private val spare = ArrayBlockingQueue<Scratch>(64)

        /** `Thread.isVirtual`, from JDK 21 on. */
        private val isVirtual: MethodHandle? = try {
            MethodHandles.publicLookup()
                .findVirtual(Thread::class.java, "isVirtual", MethodType.methodType(Boolean::class.javaPrimitiveType))
        } catch (_: ReflectiveOperationException) {
            null
        }

        inline fun <R> use(block: (Scratch) -> R): R {
            if (isVirtual == null || !(isVirtual.invokeExact(Thread.currentThread()) as Boolean)) return block(ofThread.get())
            val scratch = spare.poll() ?: Scratch()
            try {
                return block(scratch)
            } finally {
                spare.offer(scratch)
            }
        }
    }
}
