"""nginx and haproxy as reverse proxies, if they are installed."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import START_S, Server, spawned
from scripts.proxies import find


def nginx(folder: Path, port: int, upstream: Server) -> list[str]:
    """The command that starts it, with one worker process, its connections kept open."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    # As root it would run its worker as a user without access to this folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"""{user} daemon off; worker_processes 1; pid {folder / "nginx.pid"};
events {{ worker_connections 1024; }}
http {{
  access_log off; error_log stderr; keepalive_requests 100000000; {temporary}
  upstream node {{ server 127.0.0.1:{upstream.port}; keepalive 256;
                  keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""
    )
    return ["-e", "stderr", "-p", str(folder), "-c", str(file)]


def haproxy(folder: Path, port: int, upstream: Server) -> list[str]:
    """The command that starts it, with one thread, its connections kept open."""
    file = folder / "haproxy.cfg"
    file.write_text(
        f"""global
  nbthread 1
  maxconn 2048
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
listen node
  bind 127.0.0.1:{port}
  server node 127.0.0.1:{upstream.port}
"""
    )
    return ["-db", "-q", "-f", str(file)]


PROXIES: dict[str, Callable[[Path, int, Server], list[str]]] = {"haproxy": haproxy, "nginx": nginx}


@asynccontextmanager
async def proxy(name: str, upstream: Server) -> AsyncIterator[Server | None]:
    """The proxy of that name in front of the server; None if it is not installed."""
    program = find(name)
    if program is None:
        yield None
        return
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as lines:
        port = _free_port()
        arguments = PROXIES[name](Path(folder), port, upstream)
        async with spawned([str(program), *arguments], {}, stderr=lines.fileno()) as process:
            await _until_listening(port)
            yield Server(name, process.pid, port)


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
