"""A child process that serves a folder on loopback; started by the service `static_server`.

    python _file_server.py

Makes a temporary folder, says `{"port": ..., "folder": ...}` in one line, and serves the folder on
a free port of 127.0.0.1 until its standard input ends: so it never outlives whoever started it, and
its folder goes with it.
"""

import json
import sys
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory


class Files(SimpleHTTPRequestHandler):
    """Files by their address; no listings, since the folders' names are what keeps tasks apart."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def list_directory(self, path: object) -> None:
        """Refuse to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND, f"no index.html in {Path(str(path)).name}")

    def end_headers(self) -> None:
        """Forbid caching: the next task's files may have the same names."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_args: object) -> None:
        """Keep quiet: the service's health check alone is a line each second."""


def main() -> None:
    """Serve until standard input ends."""
    with TemporaryDirectory(prefix="slotgrid-static-") as folder:

        def files(*args: object, **kwargs: object) -> Files:
            return Files(*args, directory=folder, **kwargs)  # type: ignore[arg-type]

        with ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(json.dumps({"port": server.server_port, "folder": folder}), flush=True)
            sys.stdin.buffer.read()
            server.shutdown()


if __name__ == "__main__":
    main()
