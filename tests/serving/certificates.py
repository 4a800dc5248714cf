"""Certificates made for a test by the `openssl` command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from likewise.serving.settings import TlsFiles

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the `openssl` command makes the certificates"
)


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """Who signs certificates."""

    folder: Path
    name: str

    @property
    def certificate(self) -> Path:
        """The root."""
        return self.folder / f"{self.name}-ca.pem"

    def sign(self, name: str, *, days: int = 30) -> TlsFiles:
        """Return the files of a certificate for 127.0.0.1; of days below 0 it has ended."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / "san"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        signing = ["-CA", self.certificate, "-CAkey", self.certificate.with_suffix(".key"), "-CAcreateserial"]
        dates = ["-days", str(days)]
        openssl("x509", "-req", "-in", request, *signing, "-out", certificate, *dates, "-extfile", extensions)
        return TlsFiles(certificate, key)


def authority(folder: Path, name: str = "ours") -> Authority:
    made = Authority(folder, name)
    key = made.certificate.with_suffix(".key")
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        made.certificate,
        "-subj",
        f"/CN={name} root",
    )
    return made
