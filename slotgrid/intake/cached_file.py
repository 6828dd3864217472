"""Static public files, served from memory."""

import hashlib
import mimetypes
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from aiohttp import web


def cached_file(path: Path, request: web.Request, headers: Mapping[str, str]) -> web.Response:
    """The file, or 304 if the browser has it already.

    Served from memory, so a client without a key that does not read its answer keeps no file open.
    """
    body, kind, tag = _read(path)
    known = request.if_none_match or ()
    if any(entry.value == tag for entry in known):
        answer = web.Response(status=304, headers=headers)
    else:
        answer = web.Response(body=body, content_type=kind, headers=headers)
    answer.etag = tag
    return answer


@lru_cache(maxsize=64)
def _read(path: Path) -> tuple[bytes, str, str]:
    """Content, content type and entity tag of a file. Cached, as the file does not change."""
    body = path.read_bytes()
    kind, _ = mimetypes.guess_type(path.name)
    return body, kind or "application/octet-stream", hashlib.sha256(body).hexdigest()[:16]
