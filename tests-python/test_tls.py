"""TLS and credentials, against a real memcached with -Z and -Y."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import cmemcache
from cmemcache import Pem, StringClient, TlsOptions
from servers import PATIENT, Memcached

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([ROOT / "make/bin/certificates", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def secured(certificates: Path) -> Iterator[Memcached]:
    options = f"ssl_chain_cert={certificates / 'server.pem'},ssl_key={certificates / 'server.key'}"
    server = Memcached("-Z", "-o", options)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def asking(certificates: Path) -> Iterator[Memcached]:
    """A server that asks for a client's certificate."""
    options = f"ssl_chain_cert={certificates / 'server.pem'},ssl_key={certificates / 'server.key'}"
    server = Memcached("-Z", "-o", f"{options},ssl_verify_mode=2,ssl_ca_cert={certificates / 'ca.pem'}")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memcached]:
    users = tmp_path_factory.mktemp("users") / "users"
    users.write_text("ann:secret-word\n")
    server = Memcached("-Y", str(users))
    yield server
    server.kill()


def client(server: Memcached, **options: object) -> StringClient:
    return StringClient([server.address], errors="raise", **PATIENT, **options)  # type: ignore[arg-type]


def test_values_travel_over_tls(secured: Memcached, certificates: Path) -> None:
    for ca in (Pem.file(certificates / "ca.pem"), Pem.text((certificates / "ca.pem").read_bytes())):
        with client(secured, tls=TlsOptions(ca=ca)) as cache:
            value = bytes(range(256)) * 4000
            assert cache.set("k", value)
            assert cache.get("k") == value
            assert cache.get_multi(["k", "none"]) == {"k": value}


def test_objects_travel_over_tls(secured: Memcached, certificates: Path) -> None:
    cache = cmemcache.Client(
        [secured.address], errors="raise", tls=TlsOptions(ca=Pem.file(str(certificates / "ca.pem")))
    )
    assert cache.set("o", {"a": [1, 2]})
    assert cache.get("o") == {"a": [1, 2]}
    cache.disconnect_all()


def test_a_server_of_another_ca_is_refused(secured: Memcached, certificates: Path) -> None:
    tls = TlsOptions(ca=Pem.file(certificates / "stranger.pem"))
    with client(secured, tls=tls) as cache, pytest.raises(cmemcache.TlsError, match="no trusted CA") as raised:
        cache.get("k")
    assert raised.value.server == secured.address
    tls = TlsOptions(danger_accept_any_certificate=True)
    with client(secured, tls=tls) as cache:
        assert cache.get("none") is None


def test_a_certificate_of_another_name_is_refused(secured: Memcached, certificates: Path) -> None:
    tls = TlsOptions(ca=Pem.file(certificates / "ca.pem"), server_name="elsewhere.example")
    with client(secured, tls=tls) as cache, pytest.raises(cmemcache.TlsError, match=r"not for elsewhere\.example"):
        cache.get("k")


def test_a_client_shows_its_certificate(asking: Memcached, certificates: Path) -> None:
    ca, certificate, key = (Pem.file(certificates / name) for name in ("ca.pem", "client.pem", "client.key"))
    with client(asking, tls=TlsOptions(ca=ca, certificate=certificate, key=key)) as cache:
        assert cache.set("k", b"value")
    with client(asking, tls=TlsOptions(ca=ca)) as cache, pytest.raises(cmemcache.TlsError, match="client certificate"):
        cache.get("k")


def test_a_user_is_let_in_and_a_wrong_password_is_not(guarded: Memcached) -> None:
    with client(guarded, user="ann", password="secret-word") as cache:
        assert cache.set("k", b"value")
        assert cache.get("k") == b"value"
    with client(guarded, user="ann", password="wrong-word") as cache:
        with pytest.raises(cmemcache.AuthError, match="were rejected") as raised:
            cache.get("k")
        assert "wrong-word" not in repr(raised.value)
    with client(guarded) as cache, pytest.raises(cmemcache.AuthError, match="are wanted"):
        cache.get("k")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tls": TlsOptions(ca=Pem.file("/nonexistent"))}, "tls.ca: cannot read /nonexistent"),
        ({"tls": TlsOptions(ca=Pem.text(b""))}, "tls.ca holds no certificate"),
        ({"tls": TlsOptions(ca="ca.pem")}, "tls.ca of type str is no Pem"),
        ({"tls": True}, "tls of type bool is no TlsOptions"),
        ({"user": "ann"}, "user is given without password"),
        ({"password": "secret"}, "password is given without user"),
        ({"user": "ann", "password": "sec\r\nret"}, "password holds a control character"),
        ({"user": "ann", "password": b"secret"}, "password of type bytes is no str"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(cmemcache.InvalidArgumentError, match=message) as raised:
        StringClient(["localhost"], **options)  # type: ignore[arg-type]
    assert "secret" not in str(raised.value)


def test_nothing_secret_is_shown() -> None:
    text = "-----BEGIN PRIVATE KEY-----"
    assert repr(TlsOptions(key=Pem.text(text))).count("PRIVATE") == 0
    assert repr(Pem.file("/a/b")) == "Pem.file('/a/b')"


def test_a_forked_child_and_its_parent_are_both_served_over_tls(secured: Memcached, certificates: Path) -> None:
    with client(secured, tls=TlsOptions(ca=Pem.file(certificates / "ca.pem"))) as cache:
        assert cache.set("shared", b"value")
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            try:
                well = all(cache.set("child", b"%d" % n) and cache.get("child") == b"%d" % n for n in range(200))
                os._exit(0 if well else 1)
            finally:
                os._exit(2)
        for number in range(200):
            assert cache.set("parent", b"%d" % number)
            assert cache.get("parent") == b"%d" % number
        assert os.waitpid(child, 0)[1] == 0
