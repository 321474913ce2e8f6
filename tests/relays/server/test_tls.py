"""Certificates: read, and read again when they were renewed."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nostr_client.errors import ConfigError
from relays.server.tls import certificate


def write_pair(folder: Path, name: str = "localhost", password: bytes = b"") -> tuple[Path, Path]:
    """A certificate of its own making, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))
    return paths


def served_name(context: ssl.SSLContext) -> bytes:
    """The certificate that a server with this context shows, in DER."""
    here, there, back, forth = (ssl.MemoryBIO() for _ in range(4))
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    asking = client.wrap_bio(here, there)
    serving = context.wrap_bio(back, forth, server_side=True)
    for _ in range(5):
        for side in (asking, serving):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            back.write(there.read())
            here.write(forth.read())
    return asking.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate(tmp_path: Path) -> None:
    paths = write_pair(tmp_path)
    loaded = certificate(*map(str, paths))
    assert loaded is not None
    first = served_name(loaded.context)
    assert first
    assert not loaded.changed()
    write_pair(tmp_path, "other.example")
    assert loaded.changed()
    assert served_name(loaded.context) == first
    loaded.reload()
    assert not loaded.changed()
    assert served_name(loaded.context) != first


def test_a_pair_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    paths = write_pair(tmp_path)
    loaded = certificate(*map(str, paths))
    assert loaded is not None
    first = served_name(loaded.context)
    kept = paths[1].read_bytes()
    write_pair(tmp_path)
    paths[1].write_bytes(kept)  # the new certificate beside the old key
    with pytest.raises(ConfigError):
        loaded.reload()
    assert served_name(loaded.context) == first
    assert loaded.changed(), "it is tried again"
    paths[0].unlink()
    with pytest.raises(ConfigError):
        loaded.reload()
    assert not loaded.changed()


def test_what_cannot_be_used(tmp_path: Path) -> None:
    assert certificate(None, None) is None
    paths = write_pair(tmp_path, password=b"secret")
    with pytest.raises(ConfigError, match="password"):
        certificate(*map(str, paths))
    with pytest.raises(ConfigError, match="together"):
        certificate(str(paths[0]), None)
    with pytest.raises(ConfigError):
        certificate(str(tmp_path / "none"), str(paths[1]))
