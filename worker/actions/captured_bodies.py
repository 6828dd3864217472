"""Bodies of captured requests, and names for their files."""

import base64
import mimetypes
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.network_captures import Running


async def running_capture(action: ActionContext) -> list[dict[str, Any]]:
    """End the running capture; its requests. Raises ActionFailed if there is none."""
    running = action.session.part(Running)
    if running.capture is None:
        raise ActionFailed("no capture is running: begin one with capture_start, or give `entries`")
    capture, running.capture = running.capture, None
    return [vars(entry) for entry in await capture.stop()]


def body_of(entry: dict[str, Any]) -> bytes | None:
    """The body of a request's answer; None without one, and for a part of one."""
    if entry.get("body_truncated"):
        return None
    text, encoded = entry.get("body"), entry.get("body_base64")
    if isinstance(text, str):
        return text.encode(errors="replace")
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as cause:
        raise ActionFailed(f"`body_base64` of {entry.get('url')} is not base64: {cause}") from cause


def name_of(naming: str, number: int, entry: dict[str, Any], body: bytes) -> str:
    """The name of a body's file: `naming` with its tokens replaced."""
    path = PurePosixPath(unquote(urlsplit(str(entry.get("url", ""))).path))
    headers = entry.get("response_headers") or {}
    mime = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
    guessed = mimetypes.guess_extension(mime) or ".bin"
    tokens = {
        "id": str(number),
        "name": path.stem or "index",
        "ext": (path.suffix or guessed).removeprefix("."),
        "mime": mime.replace("/", "-") or "unknown",
        "size": str(len(body)),
        "ts": str(entry.get("started_at", "")).replace(":", ""),
    }
    for token, value in tokens.items():
        naming = naming.replace(f"{{{token}}}", value)
    return naming
