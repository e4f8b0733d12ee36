package io.github.cmemcache.tests

import io.github.cmemcache.example.demo
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import kotlin.test.assertContains
import kotlin.test.assertTrue

/** What the documentation shows is compiled and run. */
class DocumentationTest {
    private val root = File(System.getProperty("project.root"))

    @Test
    fun `every example of the guides stands in a file that is run as a test`() {
        standsIn("docs/kotlin.md", "kotlin", "GuideTest.kt")
        standsIn("docs/kotlin.md", "java", "GuideJavaTest.java")
        standsIn("docs/testing.md", "kotlin", "GuideTestingTest.kt")
    }

    private fun standsIn(guide: String, language: String, file: String) {
        val text = File(root, guide).readText()
            .replace("\"127.0.0.1:11211\"", "address")
            .replace("\"10.0.0.1:11211\", \"10.0.0.2:11211\"", "address, otherAddress")
        val source = words(File(root, "tests-kotlin/src/test/$language/io/github/cmemcache/tests/$file").readText())
        val examples = Regex("```$language\n(.*?)```", RegexOption.DOT_MATCHES_ALL).findAll(text).map { it.groupValues[1] }.toList()
        assertTrue(examples.isNotEmpty())
        examples.forEach { assertContains(source, words(it), message = it) }
    }

    /** The text without its indentation. */
    private fun words(text: String): String = text.split(Regex("\\s+")).filter { it.isNotEmpty() }.joinToString(" ")

    @Test
    fun `the demo runs`() {
        val console = System.out
        val output = ByteArrayOutputStream()
        System.setOut(PrintStream(output, true))
        try {
            Memcached().use { demo(it.address) }
        } finally {
            System.setOut(console)
        }
        for (line in listOf("a number               42", "100 hits, 0 errors", "the same: true", "Exists: somebody changed it", "Python pickle")) {
            assertContains(output.toString(), line)
        }
    }
}
