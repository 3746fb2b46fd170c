"""Wrong routes, certificates, names and clocks."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.doctor.cases import Case, edit, header, misroute, swap
from tests.support.faults import Proxies, Proxy, Reply
from tests.support.faulty_station import FaultyStation


@contextmanager
def self_signed_certificate(faulty: FaultyStation) -> Iterator[None]:
    """Serve the station over HTTPS with a self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(faulty.data))
    original = faulty.front
    with Proxies(front=Proxy(original.upstream, ssl=context)) as proxies:
        faulty.front = proxies["front"]
        try:
            yield
        finally:
            faulty.front = original


def _certificate(folder: Path) -> Path:
    """Return a file with a key and a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"certificate-{threading.get_ident()}.pem"
    path.write_bytes(secret + certificate.public_bytes(encoding))
    return path


@contextmanager
def unknown_name(faulty: FaultyStation) -> Iterator[None]:
    """Give the station a name that does not resolve (RFC 2606)."""
    url = faulty.front.url
    faulty.front.url = "http://tv.invalid"
    try:
        yield
    finally:
        faulty.front.url = url


def slow_clock(reply: Reply) -> None:
    """Make the station's clock five minutes slow."""
    # the header has whole seconds, and a response takes time: the doctor sees 303 to 308 s
    slow = datetime.now(UTC) - timedelta(seconds=304)
    reply.headers["Date"] = format_datetime(slow.replace(tzinfo=UTC), usegmt=True)


def fast_encoder(reply: Reply) -> None:
    """Make the encoder's clock a day fast."""
    day = datetime.now(UTC)
    swap(f"TIME:{day:%Y-%m-%d}", f"TIME:{day + timedelta(days=1):%Y-%m-%d}")(reply)


ROUTES = (
    Case("a name without an address", "name", "tv.invalid has no address", unknown_name),
    Case("a self-signed certificate", "certificate", "self-signed", self_signed_certificate),
    Case("a slow clock", "clock", "differ by 30", edit("front", "/config.json", slow_clock)),
    Case(
        "a stream from tomorrow",
        "programme clock",
        "in the future",
        edit("front", "playlist.m3u8", fast_encoder),
    ),
    Case("no route for /ws", "route signaling", "not the signaling", misroute("/ws", "site")),
    Case(
        "the site is not at its path",
        "route site",
        "not the site",
        misroute("/config.json", "owncast"),
    ),
    Case("an unanchored /live", "routes anchored", "/lively", misroute("/lively", "broadcaster")),
    Case("an open /hls", "/hls closed", "it is open", misroute("/hls/", "owncast")),
    Case("an open /admin", "/admin closed", "it is open", misroute("/admin", "owncast")),
    Case(
        "metrics are public", "inner pages closed", "/metrics", misroute("/metrics", "broadcaster")
    ),
    Case(
        "an old playlist from a cache",
        "playlist caching",
        "a playlist that is 120 s old",
        edit("front", "/live/playlist.m3u8", header("Age", "120")),
    ),
    Case(
        "a playlist that browsers keep",
        "playlist caching",
        "max-age=14400",
        edit("front", "/live/playlist.m3u8", header("Cache-Control", "max-age=14400")),
    ),
)
