package io.github.cmemcache

import kotlinx.serialization.KSerializer
import kotlinx.serialization.modules.SerializersModule
import kotlinx.serialization.serializerOrNull
import java.math.BigDecimal
import java.math.BigInteger
import kotlin.reflect.KType

/** The type that a caller gives or expects. [full] tells its arguments too and is asked for only when they matter. */
@PublishedApi
internal class ValueType<T : Any>(given: Class<T>, private val full: (() -> KType)?) {
    /** Never a primitive: objects are of boxes only. */
    val type: Class<T> = if (given.isPrimitive) given.kotlin.javaObjectType else given

    val isAny: Boolean get() = type == Any::class.java

    /** How kotlinx.serialization writes the type; null if it does not know it. */
    @Suppress("UNCHECKED_CAST")
    fun serializer(module: SerializersModule): KSerializer<T>? {
        if (isAny) return null
        return (if (full != null) module.serializerOrNull(full.invoke()) else module.serializerOrNull(type)) as KSerializer<T>?
    }

    /** The value as this type: itself, or a number of the same worth; null if it is neither. */
    fun cast(value: Any): T? = when {
        type.isInstance(value) -> type.cast(value)
        value is Number -> number(value)?.let(type::cast)
        else -> null
    }

    private fun number(value: Number): Any? = try {
        val exact = when (value) {
            is BigDecimal -> value
            is BigInteger -> value.toBigDecimal()
            is Float, is Double -> BigDecimal(value.toDouble())
            else -> BigDecimal(value.toLong())
        }
        when (type) {
            Long::class.javaObjectType -> exact.longValueExact()
            Int::class.javaObjectType -> exact.intValueExact()
            Short::class.javaObjectType -> exact.shortValueExact()
            Byte::class.javaObjectType -> exact.byteValueExact()
            BigInteger::class.java -> exact.toBigIntegerExact()
            BigDecimal::class.java -> exact
            Double::class.javaObjectType -> exact.toDouble().takeIf { BigDecimal(it).compareTo(exact) == 0 }
            Float::class.javaObjectType -> exact.toFloat().takeIf { BigDecimal(it.toDouble()).compareTo(exact) == 0 }
            else -> null
        }
    } catch (_: ArithmeticException) {
        null
    } catch (_: NumberFormatException) {
        null // NaN and the infinities have no exact form.
    }
}
