package io.github.cmemcache.tests

import io.github.cmemcache.AuthException
import io.github.cmemcache.ClientOptions
import io.github.cmemcache.InvalidArgumentException
import io.github.cmemcache.Password
import io.github.cmemcache.Pem
import io.github.cmemcache.ServerSpec
import io.github.cmemcache.StringClient
import io.github.cmemcache.TlsException
import io.github.cmemcache.TlsOptions
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import kotlin.io.path.readBytes
import kotlin.io.path.writeText
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.time.Duration.Companion.seconds

/** TLS and credentials, against a real memcached with -Z and -Y. */
class TlsTest {
    @TempDir
    lateinit var folder: Path

    private fun pem(name: String) = Pem.file("${folder.resolve(name)}")

    private fun secured(further: String = ""): Memcached {
        val script = ProcessBuilder("../make/bin/certificates", "$folder").inheritIO().start()
        check(script.waitFor() == 0) { "no certificates" }
        return Memcached("-Z", "-o", "ssl_chain_cert=${folder.resolve("server.pem")},ssl_key=${folder.resolve("server.key")}$further")
    }

    private fun client(server: Memcached, tls: TlsOptions? = null, user: String? = null, password: Password? = null) = StringClient(
        listOf(ServerSpec(server.address)),
        ClientOptions(timeout = 10.seconds, connectTimeout = 5.seconds, tls = tls, user = user, password = password),
    )

    @Test
    fun `values travel over TLS with a given CA and nobody else is trusted`() {
        secured().use { server ->
            for (ca in listOf(pem("ca.pem"), Pem.text(folder.resolve("ca.pem").readBytes()))) {
                client(server, TlsOptions(ca = ca)).use { cache ->
                    val value = ByteArray(1_000_000) { it.toByte() }
                    cache.set("k", value)
                    assertContentEquals(value, cache.get("k")?.value)
                }
            }
            client(server, TlsOptions(ca = pem("stranger.pem"))).use { cache ->
                val error = assertFailsWith<TlsException> { cache.get("k") }
                assertContains(error.message.orEmpty(), "no trusted CA")
                assertEquals(server.address, error.server)
            }
            client(server, TlsOptions(ca = pem("ca.pem"), serverName = "elsewhere.example")).use { cache ->
                assertContains(assertFailsWith<TlsException> { cache.get("k") }.message.orEmpty(), "not for elsewhere.example")
            }
            client(server, TlsOptions(dangerAcceptAnyCertificate = true)).use { cache -> cache.set("k", "v") }
        }
    }

    @Test
    fun `a client shows its certificate to a server that asks`() {
        secured(",ssl_verify_mode=2,ssl_ca_cert=${folder.resolve("ca.pem")}").use { server ->
            val known = TlsOptions(ca = pem("ca.pem"), certificate = pem("client.pem"), key = pem("client.key"))
            client(server, known).use { cache -> cache.set("k", "v") }
            client(server, TlsOptions(ca = pem("ca.pem"))).use { cache ->
                assertContains(assertFailsWith<TlsException> { cache.get("k") }.message.orEmpty(), "client certificate")
            }
        }
    }

    @Test
    fun `a user is let in and a wrong password is not`() {
        val users = folder.resolve("users").apply { writeText("ann:secret-word\n") }
        Memcached("-Y", "$users").use { server ->
            client(server, user = "ann", password = Password("secret-word")).use { cache ->
                cache.set("k", "v")
                assertEquals("v", cache.get("k")?.text)
            }
            client(server, user = "ann", password = Password("wrong-word")).use { cache ->
                val error = assertFailsWith<AuthException> { cache.get("k") }
                assertContains(error.message.orEmpty(), "were rejected")
                assertFalse("$error".contains("wrong-word"))
            }
        }
    }

    @Test
    fun `options that cannot work are named and nothing secret is shown`() {
        fun refused(why: String, options: ClientOptions) {
            val error = assertFailsWith<InvalidArgumentException> { StringClient(listOf(ServerSpec("localhost")), options) }
            assertContains(error.message.orEmpty(), why)
        }
        refused("tls.ca: cannot read /nonexistent", ClientOptions(tls = TlsOptions(ca = Pem.file("/nonexistent"))))
        refused("user is given without password", ClientOptions(user = "ann"))
        refused("password is given without user", ClientOptions(password = Password("secret")))
        val options = ClientOptions(
            user = "ann",
            password = Password("secret"),
            tls = TlsOptions(key = Pem.text("secret".toByteArray())),
        )
        assertFalse("$options".contains("secret"), "$options")
    }
}
