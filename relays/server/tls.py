"""TLS with given certificates, renewed without a restart."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from nostr_client.errors import ConfigError
from nostr_client.paths import FileStamp, file_stamp

HANDSHAKE_LIMIT: Final = 10.0
"""Seconds that a TLS handshake may take."""


class Certificate:
    """A certificate with its chain and its key, in PEM files; `context` is for the server.

    What is loaded anew holds for the connections that come from then on. Raises ConfigError.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamp = self._look()
        self._try()
        self.context = _context()
        self.context.load_cert_chain(certificate, key)

    def reload(self) -> None:
        """Read both files again. Raises ConfigError when they do not fit; the old ones stay."""
        stamp = self._look()
        self._try()  # a half-written pair must not spoil the context in use
        try:
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            raise self._unusable(error) from None
        self._stamp = stamp

    def changed(self) -> bool:
        """Have the files changed since they were read?"""
        stamp = self._look()
        return None not in stamp and stamp != self._stamp  # none: just being replaced, perhaps

    def _look(self) -> tuple[FileStamp | None, ...]:
        return tuple(map(file_stamp, self._files))

    def _try(self) -> None:
        try:
            _context().load_cert_chain(*self._files, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> ConfigError:
        names = f"{self._files[0]}, {self._files[1]}"
        reason = str(error)
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key is that of another certificate"
        elif isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
            reason = error.strerror or reason
        return ConfigError(f"[web] the certificate and its key cannot be used: {reason} ({names})")


def certificate(path: str | None, key: str | None) -> Certificate | None:
    """What `[web] tls_certificate` and `tls_key` mean. Raises ConfigError."""
    if path is None and key is None:
        return None
    if path is None or key is None:
        raise ConfigError("[web] tls_certificate and tls_key go together")
    return Certificate(Path(path).expanduser(), Path(key).expanduser())


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and wait.
    raise ValueError("the key is protected by a password")
