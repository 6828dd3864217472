"""Starts nginx and Caddy with the files that are shipped, on ports and names of this machine."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context
from urllib.parse import urlsplit

import pytest

from scripts.proxies import find
from tests.deploy.files import DEPLOY
from tests.harness.processes.process import PATIENCE_S, Process

NAMES = {"slotgrid.example.com": "localhost", "www.example.com": "127.0.0.1"}
"""The two sites of each file, and what they are called here."""


@dataclass(frozen=True)
class Front:
    """A proxy that runs: `url` leads to the node, `prefixed` too, below a path."""

    url: str
    prefixed: str
    tls: SSLContext | None
    env: Mapping[str, str]
    """What a node needs in its environment to dial through it."""


def program(name: str) -> str:
    """Where the proxy is; a test that needs one fails without it."""
    found = find(name)
    if found is None:
        pytest.fail(
            f"{name} is not here: python -m scripts.proxies unpacks it, as `make test` does"
        )
    return str(found)


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with each of these, which must all be in it, replaced."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def nginx(node_url: str, folder: Path) -> Iterator[Front]:
    """nginx with TLS, by a certificate of its own."""
    port, pem, key = free_port(), folder / "tls.pem", folder / "tls.key"
    make_certificate(pem, key)
    site = replaced(
        (DEPLOY / "proxies/nginx.conf").read_text(encoding="utf-8"),
        {
            **NAMES,
            "127.0.0.1:4000": urlsplit(node_url).netloc,
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/slotgrid.pem": str(pem),
            "/etc/ssl/slotgrid.key": str(key),
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    # As root it would hand its work to a user who may not enter this folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(
        f"{user} daemon off; worker_processes 1; pid {folder / 'pid'}; events {{}}\n"
        f"http {{ access_log off;\n{temporary}\n{site}\n}}\n"
    )
    command = [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(main)]
    with listening(command, port, folder, {}):
        trust = create_default_context(cafile=str(pem))
        yield Front(
            url=f"https://localhost:{port}",
            prefixed=f"https://127.0.0.1:{port}/slotgrid",
            tls=trust,
            env={"SSL_CERT_FILE": str(pem)},
        )


@contextmanager
def caddy(node_url: str, folder: Path) -> Iterator[Front]:
    """Caddy without TLS, for which it would ask a certificate authority."""
    port = free_port()
    site = replaced(
        (DEPLOY / "proxies/Caddyfile").read_text(encoding="utf-8"),
        {
            **{f"\n{name} {{": f"\nhttp://{here}:{port} {{" for name, here in NAMES.items()},
            "127.0.0.1:4000": urlsplit(node_url).netloc,
        },
    )
    main = folder / "Caddyfile"
    main.write_text("{\n\tauto_https off\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n" + site)
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(main)]
    homes = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with listening(command, port, folder, homes):
        yield Front(
            url=f"http://localhost:{port}",
            prefixed=f"http://127.0.0.1:{port}/slotgrid",
            tls=None,
            env={},
        )


FRONTS = {"nginx": nginx, "caddy": caddy}


@contextmanager
def listening(
    command: list[str], port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[None]:
    """The server runs and takes connections; it is gone afterwards."""
    process = Process(command, cwd=folder, env={**os.environ, **env})
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not takes_connections(port):
            assert process.runs, process.said
            assert time.monotonic() < give_up, process.said
            time.sleep(0.02)  # it says to nobody when it listens
        yield
    finally:
        if process.runs:
            process.send(signal.SIGTERM)
        process.wait()


def takes_connections(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def make_certificate(pem: Path, key: Path) -> None:
    """A certificate for this machine's own names, signed by itself."""
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    where = ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", names]
    subprocess.run(
        [*new, *where, "-out", str(pem), "-keyout", str(key)], check=True, capture_output=True
    )
