package io.github.cmemcache.tests

import io.github.cmemcache.Client
import io.github.cmemcache.LAYOUT_VERSION
import io.github.cmemcache.NativeLibrary
import io.github.cmemcache.NativeLibraryException
import io.github.cmemcache.VERSION
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.util.concurrent.TimeUnit
import java.util.jar.JarFile
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull

/** The program that [PackagingTest] runs in a process of its own. */
object SmallProgram {
    @JvmStatic
    fun main(arguments: Array<String>) {
        try {
            Client(arguments[0]).use { cache ->
                cache.set("packaged", listOf(1, 2, 3))
                println("read ${cache.get<List<Int>>("packaged")}")
            }
        } catch (e: NativeLibraryException) {
            println("${e.javaClass.simpleName}: ${e.message}")
        }
    }
}

class PackagingTest {
    private val jar = File(System.getProperty("cmemcache.jar"))
    private val classpath = System.getProperty("java.class.path").split(File.pathSeparator)

    /** Runs the small program with this jar, what the jar depends on, and no system property. */
    private fun run(jar: File, address: String): String {
        val dependencies = classpath.filter { path -> listOf("kotlin-stdlib", "kotlinx-serialization", "/jna-").any { it in path } }
        assertEquals(4, dependencies.size, "$dependencies")
        val program = classpath.first { it.endsWith("test-classes") }
        val java = File(System.getProperty("java.home"), "bin/java").path
        val path = (listOf(jar.path, program) + dependencies).joinToString(File.pathSeparator)
        val process = ProcessBuilder(java, "-cp", path, SmallProgram::class.java.name, address).redirectErrorStream(true).start()
        val output = process.inputStream.bufferedReader().readText()
        check(process.waitFor(60, TimeUnit.SECONDS))
        assertEquals(0, process.exitValue(), output)
        return output.trim()
    }

    @Test
    fun `a program runs from the built jar alone`() {
        Memcached().use { server -> assertEquals("read [1, 2, 3]", run(jar, server.address)) }
    }

    @Test
    fun `a missing native library is an error that says what to do`(@TempDir folder: File) {
        val bare = File(folder, "bare.jar")
        copyJar(bare) { if (it.name.contains("libcmemcache")) null else it }
        val output = run(bare, "127.0.0.1:11211")
        for (words in listOf("NativeLibraryException", "cmemcache $VERSION", "jna.library.path", "make build-kotlin")) assertContains(output, words)
    }

    @Test
    fun `a native library for another platform is an error that says what to do`(@TempDir folder: File) {
        val broken = File(folder, "broken.jar")
        copyJar(broken, content = { entry, bytes -> if ("libcmemcache" in entry.name) "no library".toByteArray() else bytes }) { it }
        assertContains(run(broken, "127.0.0.1:11211"), "jar built for this platform")
    }

    @Test
    fun `a native library of another version is an error that names both`() {
        assertNull(NativeLibrary.mismatch(VERSION, LAYOUT_VERSION))
        for ((version, layout) in listOf("0.0.9" to LAYOUT_VERSION, VERSION to 1)) {
            val message = assertNotNull(NativeLibrary.mismatch(version, layout)).message.orEmpty()
            for (words in listOf("cmemcache $version with packed layout $layout", "this jar is $VERSION")) assertContains(message, words)
        }
    }

    @Test
    fun `the jar tells its version and rules for android`() {
        JarFile(jar).use { file ->
            assertEquals(VERSION, file.manifest.mainAttributes.getValue("Implementation-Version"))
            val rules = assertNotNull(file.getEntry("META-INF/proguard/cmemcache.pro"))
            assertContains(file.getInputStream(rules).reader().readText(), "com.sun.jna")
        }
    }

    private fun copyJar(target: File, content: (ZipEntry, ByteArray) -> ByteArray = { _, bytes -> bytes }, pick: (ZipEntry) -> ZipEntry?) {
        ZipFile(jar).use { source ->
            ZipOutputStream(target.outputStream()).use { out ->
                for (entry in source.entries().asSequence().mapNotNull(pick)) {
                    out.putNextEntry(ZipEntry(entry.name))
                    out.write(content(entry, source.getInputStream(entry).readBytes()))
                }
            }
        }
    }
}
