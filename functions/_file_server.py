"""A child process that serves files on loopback; started by the service `static_server`.

    python _file_server.py

Makes a temporary folder, says `{"port": ..., "folder": ...}` in one line, and serves the folder on
a free port of 127.0.0.1 until its standard input ends: so it never outlives whoever started it, and
its folder goes with it. A site is a folder in it, `<name>/text/` and `<name>/bytes/`, and has the
address `http://<name>.localhost:<port>/`: an origin of its own, which nobody can guess.
"""

import json
import re
import shutil
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote, urlsplit

TEXT, BYTES = "text", "bytes"
"""Folders of a site: files that were given as text, which are UTF-8; files given as bytes."""

TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".css": "text/css",
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttc": "font/collection",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xht": "application/xhtml+xml",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".xsl": "text/xsl",
}
"""Types by suffix, as the web has them: the machine's own table differs from one to the next."""

_TEXTUAL = re.compile(r"text/|application/(.*\+)?(json|xml)$|image/svg\+xml$")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def content_type(name: str, *, is_text: bool) -> str:
    """The Content-Type of a file.

    Text is known to be UTF-8. Bytes get no charset: the browser reads a `<meta charset>`, an
    `@charset`, a byte order mark, as it does on servers that do not know.
    """
    unknown = "text/plain" if is_text else "application/octet-stream"
    kind = TYPES.get(Path(name).suffix.lower(), unknown)
    return f"{kind}; charset=utf-8" if is_text and _TEXTUAL.match(kind) else kind


class Files(SimpleHTTPRequestHandler):
    """Files of the site that the request's host names; no listings."""

    protocol_version = "HTTP/1.1"
    # A connection that the browser keeps open must not hold its thread for ever.
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a file, or with the part of it that `Range` names."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as GET does, without the body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        found = self._find(path)
        if found is None:
            is_folder = self._find(f"{path}/") is not None
            # No page that says so: it would be a text which is not the site's.
            self.send_response(HTTPStatus.MOVED_PERMANENTLY if is_folder else HTTPStatus.NOT_FOUND)
            if is_folder:
                self.send_header("Location", quote(f"{path}/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        file, is_text = found
        size = file.stat().st_size
        part = _part(self.headers.get("Range", ""), size)
        status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        if part is not None and not part:
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        sent = range(size) if part is None else part
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(sent)))
        if part is not None:
            place = f"{part[0]}-{part[-1]}" if part else "*"
            self.send_header("Content-Range", f"bytes {place}/{size}")
        self.send_header("Content-Type", content_type(file.name, is_text=is_text))
        self.end_headers()
        if with_body and sent:
            with file.open("rb") as source:
                source.seek(sent[0])
                if len(sent) == size:
                    shutil.copyfileobj(source, self.wfile)
                else:
                    self.wfile.write(source.read(len(sent)))

    def _find(self, path: str) -> tuple[Path, bool] | None:
        """The site's file of that path, and whether it was given as text; None without one."""
        site = self.headers.get("Host", "").partition(".")[0]
        if not re.fullmatch("[0-9a-f]{32}", site):
            return None
        parts = path.removeprefix("/").split("/")
        parts[-1] = parts[-1] or "index.html"
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            return None
        for kind in (BYTES, TEXT):
            file = Path(self.directory, site, kind, *parts)
            with suppress(OSError):  # a name that no file can have
                if file.is_file():
                    return file, kind == TEXT
        return None

    def end_headers(self) -> None:
        """Forbid caching: the next task's files may have the same names."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_args: object) -> None:
        """Keep quiet: the service's health check alone is a line each second."""


def _part(header: str, size: int) -> range | None:
    """The bytes that a Range header names (RFC 9110); None for all, which any server may send.

    An empty range means that the file has no such bytes.
    """
    if (found := _RANGE.match(header)) is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    return range(first, min(last + 1, size))


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
