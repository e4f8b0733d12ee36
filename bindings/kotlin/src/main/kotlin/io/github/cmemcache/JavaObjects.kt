package io.github.cmemcache

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.InputStream
import java.io.InvalidClassException
import java.io.ObjectInputFilter
import java.io.ObjectInputFilter.Status
import java.io.ObjectInputStream
import java.io.ObjectOutputStream
import java.io.ObjectStreamClass

/**
 * Java serialization of classes on an allow-list, and of nothing else.
 *
 * A cache can be written to by others, and deserializing whatever is there lets them run code here. So a class is looked up by
 * its name before it is loaded, and streams are limited in depth, references and array lengths: nested sets alone can
 * otherwise take forever to hash.
 */
internal class JavaObjects(extra: Set<String>) {
    private val allowed: Set<String> = DEFAULT + extra

    /** The serialized form of an object. It is read back once, so that what is stored can be fetched. */
    fun write(key: String, value: Any): ByteArray {
        val out = ByteArrayOutputStream()
        try {
            ObjectOutputStream(out).use { it.writeObject(value) }
            return out.toByteArray().also { FilteredStream(ByteArrayInputStream(it)).use(ObjectInputStream::readObject) }
        } catch (e: ForbiddenClass) {
            throw InvalidArgumentException(
                "value of key '$key' holds ${e.name}, which is neither @Serializable nor on the allow-list of Java serialization " +
                    "(ValueOptions.javaClasses)",
            )
        } catch (e: IOException) {
            throw InvalidArgumentException("value of key '$key', of ${value.javaClass.name}, has no form to be stored in: $e", e)
        } catch (e: StackOverflowError) {
            throw InvalidArgumentException("value of key '$key' is nested too deeply", e)
        }
    }

    fun read(key: String, item: Item, bytes: ByteArray): Any? {
        try {
            return FilteredStream(ByteArrayInputStream(bytes)).use(ObjectInputStream::readObject)
        } catch (e: ForbiddenClass) {
            throw ForbiddenClassException(
                "value of key '$key' holds ${e.name}, which is not on the allow-list of Java serialization: it was not loaded. If the " +
                    "class is harmless, name it in ValueOptions.javaClasses",
                key,
                e.name,
            )
        } catch (e: IOException) {
            throw undecodable(key, item, "is no Java serialization within the limits: ${e.message}", e)
        } catch (e: ClassNotFoundException) {
            throw undecodable(key, item, "holds class ${e.message}, which this program does not have", e)
        } catch (e: RuntimeException) {
            // What readObject methods throw when the fields make no sense.
            throw undecodable(key, item, "is no sound object: $e", e)
        } catch (e: StackOverflowError) {
            throw undecodable(key, item, "is nested too deeply", e)
        }
    }

    private class ForbiddenClass(val name: String) : InvalidClassException(name, "not on the allow-list")

    private inner class FilteredStream(bytes: InputStream) : ObjectInputStream(bytes) {
        init {
            setObjectInputFilter(::check)
        }

        override fun resolveClass(descriptor: ObjectStreamClass): Class<*> {
            val name = descriptor.name.trimStart('[')
            val isArrayOfPrimitives = name.length == 1 && name !== descriptor.name
            val element = if (name !== descriptor.name) name.removePrefix("L").removeSuffix(";") else name
            if (!isArrayOfPrimitives && element !in allowed) throw ForbiddenClass(element)
            val loader = Thread.currentThread().contextClassLoader ?: JavaObjects::class.java.classLoader
            return Class.forName(descriptor.name, false, loader)
        }

        override fun resolveProxyClass(interfaces: Array<String>): Class<*> = throw ForbiddenClass("a proxy of ${interfaces.joinToString()}")
    }

    private fun check(info: ObjectInputFilter.FilterInfo): Status {
        if (info.depth() > MAX_DEPTH || info.references() > MAX_REFERENCES || info.arrayLength() > MAX_ARRAY) return Status.REJECTED
        val element = generateSequence(info.serialClass() ?: return Status.ALLOWED) { it.componentType }.last()
        return if (element.isPrimitive || element.name in allowed) Status.ALLOWED else Status.REJECTED
    }

    private companion object {
        const val MAX_DEPTH = 20
        const val MAX_REFERENCES = 1_000_000
        const val MAX_ARRAY = 1_000_000

        val LANG = listOf("Boolean", "Byte", "Character", "Double", "Enum", "Float", "Integer", "Long", "Number", "Object", "Short", "String")

        /** java.time writes all its values through one proxy per package. */
        val TIME = listOf(
            "DayOfWeek", "Duration", "Instant", "LocalDate", "LocalDateTime", "LocalTime", "Month", "MonthDay", "OffsetDateTime",
            "OffsetTime", "Period", "Ser", "Year", "YearMonth", "ZoneId", "ZoneOffset", "ZoneRegion", "ZonedDateTime",
        )

        val UTIL = listOf(
            "AbstractCollection", "AbstractList", "AbstractMap", "AbstractMap\$SimpleEntry", "AbstractMap\$SimpleImmutableEntry",
            "AbstractSet", "ArrayDeque", "ArrayList", "Arrays\$ArrayList", "BitSet", "CollSer", "Collections\$EmptyList",
            "Collections\$EmptyMap", "Collections\$EmptySet", "Collections\$SingletonList", "Collections\$SingletonMap",
            "Collections\$SingletonSet", "Collections\$UnmodifiableCollection", "Collections\$UnmodifiableList",
            "Collections\$UnmodifiableMap", "Collections\$UnmodifiableRandomAccessList", "Collections\$UnmodifiableSet", "HashMap",
            "HashSet", "ImmutableCollections\$List12", "ImmutableCollections\$ListN", "ImmutableCollections\$Map1",
            "ImmutableCollections\$MapN", "ImmutableCollections\$Set12", "ImmutableCollections\$SetN", "LinkedHashMap",
            "LinkedHashSet", "LinkedList", "Map\$Entry", "TreeMap", "TreeSet", "Vector",
        )

        /** Kotlin's names of the empty ones. */
        val KOTLIN = listOf("EmptyList", "EmptyMap", "EmptySet")

        val DEFAULT: Set<String> = LANG.map { "java.lang.$it" }.toSet() + TIME.map { "java.time.$it" } + UTIL.map { "java.util.$it" } +
            KOTLIN.map { "kotlin.collections.$it" }
    }
}
