"""No webhook reaches inward: each known way to make a server call its own network is refused."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domains.delivery import guard, outgoing
from domains.errors import InvalidInput
from tests.domains.delivery.conftest import Receiver

PUBLIC = "93.184.215.14"


def answers(*addresses: str) -> Any:
    """A name server that gives these addresses."""
    return lambda host, port, type: [(0, type, 6, "", (address, port)) for address in addresses]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "https://",
        "https:///hook",
        "https://user:secret@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/#fragment",
        "https://example.org/a b",
        "https://example.org/\r\nX-Injected: 1",
        "https://h\u00f6oks.example.org/",
        "https://example.org:port/",
        "https://[::1",
        "https://example.org/" + "a" * 500,
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
    ],
)
def test_an_address_that_is_no_public_https_place_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInput):
        guard.parse(url)


def test_an_address_is_taken_apart() -> None:
    assert guard.parse("https://hooks.example.org/a?b=c") == guard.Place(
        "hooks.example.org", 443, "/a?b=c", True
    )
    assert guard.parse("https://hooks.example.org:8443").port == 8443


INWARD = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INWARD)
def test_a_name_that_leads_inward_is_refused(address: str) -> None:
    place = guard.parse("https://hooks.example.org/")
    with pytest.raises(guard.Refused) as refusal:
        guard.pin(place, answers(address))
    assert refusal.value.code == "address_private"
    with pytest.raises(guard.Refused):  # hidden behind a public one
        guard.pin(place, answers(PUBLIC, address))


@pytest.mark.parametrize("written", ["2130706433", "0x7f000001", "017700000001", "127.1", "localhost"])
def test_other_ways_to_write_this_machine_are_refused_too(written: str) -> None:
    """The system's own resolver reads them; what it says is what is judged."""
    with pytest.raises(guard.Refused):
        guard.pin(guard.Place(written, 443, "/", True))


def test_public_addresses_and_named_networks_are_allowed(settings: Any) -> None:
    place = guard.parse("https://hooks.example.org/")
    assert guard.pin(place, answers(PUBLIC)) == PUBLIC
    assert guard.pin(place, answers("2606:2800:21f:cb07::1")) == "2606:2800:21f:cb07::1"
    settings.WEBHOOK_NETWORKS = ["10.1.0.0/16"]
    assert guard.pin(place, answers("10.1.2.3")) == "10.1.2.3"
    with pytest.raises(guard.Refused):
        guard.pin(place, answers("10.2.0.1"))


def test_a_name_that_nobody_knows_is_tried_again_later() -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror

    for resolve in (unknown, answers()):
        with pytest.raises(guard.Refused) as refusal:
            guard.pin(guard.parse("https://hooks.example.org/"), resolve)
        assert refusal.value.code == "name_unknown"


def test_a_name_that_changes_its_mind_is_asked_once_and_held_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when checked, this machine when connected to."""
    asked, connected = [], []

    def rebinding(host: str, port: int, **kwargs: Any) -> Any:
        asked.append(host)
        return answers(PUBLIC if len(asked) == 1 else "127.0.0.1")(host, port, 1)

    def connect(address: tuple[str, int], timeout: float) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(guard.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(outgoing.socket, "create_connection", connect)
    assert outgoing.post("https://rebinding.example/", b"{}", {}).code == "unreachable"
    assert (asked, connected) == (["rebinding.example"], [(PUBLIC, 443)])


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [(code, {"Location": receiver.url + "/inside"}) for code in (301, 302, 303, 307, 308)]
    for answer in (301, 302, 303, 307, 308):
        outcome = outgoing.post(receiver.url, b"{}", {})
        assert (outcome.code, outcome.answer, outcome.is_done) == ("redirected", answer, False)
    assert len(receiver.calls) == 5


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert outgoing.post(receiver.url, b"{}", {}).is_done


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (b"", "timed_out"),  # nothing, for ever
        (b"HTTP/1.1 200 OK\r\nX: ", "timed_out"),  # a header that never ends
        (b"HTTP/1.1 200 OK\r\n", "timed_out"),
        (b"not http at all\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "unreachable"),  # more than anybody needs
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "unreachable"),
    ],
    ids=range(6),
)
def test_whoever_drips_or_pours_is_cut_off(
    says: bytes, code: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.1/32"]
    monkeypatch.setattr(outgoing, "WHOLE", 0.15)
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            other, _ = server.accept()
            held.append(other)
            other.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        outcome = outgoing.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
        for other in held:
            other.close()
    assert (outcome.is_done, outcome.code) == (False, code)


def test_an_endless_body_is_not_read(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.1/32"]
    monkeypatch.setattr(outgoing, "WHOLE", 5)
    sent = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            other, _ = server.accept()
            other.recv(1000)
            try:
                other.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for _ in range(10_000):
                    other.sendall(b"y" * 65536)
                    sent.append(1)
            except OSError:
                other.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert outgoing.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}).is_done
        thread.join(5)
    assert not thread.is_alive()
    assert len(sent) < 1000


def test_time_outs_are_told_as_such(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.1/32"]
    monkeypatch.setattr(outgoing, "STEP", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = outgoing.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
    assert outcome.code == "timed_out"


def test_a_certificate_must_prove_the_name(settings: Any, tmp_path: Path) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            other, _ = server.accept()
            try:
                context.wrap_socket(other, server_side=True).close()
            except OSError:
                other.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        assert outgoing.post(url, b"{}", {}).code == "tls_failed"
        thread.join(5)


def _self_signed(folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.org")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def test_an_address_that_the_settings_no_longer_allow_is_given_up(receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    outcome = outgoing.post(receiver.url, b"{}", {})
    assert (outcome.is_final, receiver.calls) == (True, [])


def test_a_private_name_is_refused_when_called(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: with a guard that lets everything pass, the same call would be made."""
    called = []
    monkeypatch.setattr(
        outgoing.socket,
        "create_connection",
        lambda *args: called.append(args) or (_ for _ in ()).throw(OSError),
    )
    assert outgoing.post("https://localhost/", b"{}", {}).code == "address_private"
    assert called == []
    monkeypatch.setattr(guard, "is_allowed", lambda address: True)
    outgoing.post("https://localhost/", b"{}", {})
    assert called
