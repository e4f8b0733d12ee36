package io.github.cmemcache

/** Certificates or a key as PEM text: in a file, or in memory. `toString` never shows the text. */
public class Pem private constructor(internal val path: String?, internal val text: ByteArray?) {
    override fun toString(): String = if (path != null) "Pem(file=$path)" else "Pem(${text?.size} bytes)"

    /** Makes them. */
    public companion object {
        /** The text in a file, which is read once, when a client is made. */
        @JvmStatic
        public fun file(path: String): Pem = Pem(path, null)

        /** The text itself. */
        @JvmStatic
        public fun text(text: ByteArray): Pem = Pem(null, text.copyOf())
    }
}

/** A password. `toString` does not show it. */
public class Password(internal val text: String) {
    override fun toString(): String = "Password(hidden)"
}

/**
 * How connections are secured. The defaults trust the system's CAs and demand that the certificate is the server's own.
 *
 * TLS 1.2 and 1.3 are spoken. A server that is not trusted, or does not speak TLS, is a [TlsException]: nothing is ever sent in plain
 * instead.
 *
 * @property ca the certificates of the CAs that are trusted; the system's own when there are none here.
 * @property certificate the client's certificate and those between it and its CA, for servers that ask for one. Needs [key].
 * @property key the private key of [certificate], not encrypted.
 * @property serverName the name or IP address that the servers' certificates are for; each server's own host when there is none here.
 * @property dangerAcceptAnyCertificate danger: accepts any certificate of anybody, so that whoever sits between can read and change
 *   everything. For experiments only.
 */
public data class TlsOptions @JvmOverloads constructor(
    val ca: Pem? = null,
    val certificate: Pem? = null,
    val key: Pem? = null,
    val serverName: String? = null,
    val dangerAcceptAnyCertificate: Boolean = false,
)
