"""Answers of the guard itself, in place of those of a target. Pure."""

import errno
import html
import os
import socket

from worker.guard.requests import Request
from worker.guard.rules import Refused

_REASONS = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.EHOSTUNREACH: "no way leads to its address",
    errno.ENETUNREACH: "no way leads to its address",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="slotgrid-guard" content="{text}">
<body style="font:16px sans-serif;max-width:40em;margin:3em auto"><h1>{title}</h1><p>{text}</p>"""


def refusal(refused: Refused, request: Request) -> bytes:
    """403: the target is closed to pages."""
    return _answer(
        "403 Forbidden",
        "Slotgrid does not open this address",
        str(refused),
        request,
        error="destination_ip_prohibited",
    )


def bad_gateway(request: Request, error: OSError) -> bytes:
    """502: the target's name has no address, or nothing answers there."""
    unknown = isinstance(error, socket.gaierror)
    if unknown:
        reason = "its host name is not known"
    elif error.errno is not None:
        reason = _REASONS.get(error.errno) or os.strerror(error.errno).lower()
    else:
        reason = str(error)
    return _answer(
        "502 Bad Gateway",
        "The address cannot be reached",
        f"{request.target} cannot be reached: {reason}",
        request,
        error="dns_error" if unknown else "connection_refused",
    )


def gateway_timeout(request: Request) -> bytes:
    """504: nothing answered the connection."""
    return _answer(
        "504 Gateway Timeout",
        "The address did not answer",
        f"{request.target} did not answer in time",
        request,
        error="connection_timeout",
    )


def bad_request(reason: str) -> bytes:
    """400: not a request for a proxy. The connection ends with it."""
    return _answer(
        "400 Bad Request",
        "Not a request for a proxy",
        reason,
        None,
        error="http_request_error",
    )


def _answer(status: str, title: str, text: str, request: Request | None, *, error: str) -> bytes:
    """A page, and the fault for programs in `Proxy-Status` (RFC 9209)."""
    body = _PAGE.format(title=title, text=html.escape(text)).encode()
    close = request is None or request.is_tunnel
    details = "".join(char for char in text if " " <= char <= "~" and char not in '"\\')
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        f'Proxy-Status: slotgrid; error={error}; details="{details}"\r\n'
        f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n"
    ).encode()
    return head if request is not None and request.method == "HEAD" else head + body
