"""Rules for the headers and the signing secret of a webhook."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from itertools import chain

from slotgrid.core.errors import InvalidSubmission, Violation, pointer

Headers = Sequence[tuple[str, str]]

HEADERS_LIMIT = 50
HEADERS_BYTES_LIMIT = 8192
"""Names and values together: the limit of common servers for all headers of a request."""
SECRET_PREFIX = "whsec_"  # noqa: S105  the prefix of secrets, not a secret
SECRET_LIMIT = 512

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
# No line breaks, which would start another header. ASCII only: receivers differ on other text.
_VALUE = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?")
_OF_THE_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "trailer", "transfer-encoding", "upgrade"),
        "te",  # codespell:ignore te
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "http2-settings"),
        *("host", "content-length", "content-encoding", "expect"),
    }
)


def header_faults(headers: Headers) -> list[Violation]:
    """The faults of a caller's headers; pointers start at the headers."""
    faults = []
    seen: set[str] = set()
    for name, value in headers:
        if why := _fault(name, value) or ("is given twice" if name.lower() in seen else None):
            faults.append(Violation(pointer([name]), why))
        seen.add(name.lower())
    if len(headers) > HEADERS_LIMIT:
        faults.append(Violation("", f"expected at most {HEADERS_LIMIT}, got {len(headers)}"))
    size = sum(map(len, chain.from_iterable(headers)))
    if size > HEADERS_BYTES_LIMIT:
        faults.append(Violation("", f"expected at most {HEADERS_BYTES_LIMIT} bytes, got {size}"))
    return faults


def checked_headers(headers: Headers, *, at: str = "/webhook/headers") -> Headers:
    """The same headers if they are allowed.

    Raises InvalidSubmission with every fault; `at` is the JSON pointer of the headers.
    """
    faults = [Violation(at + fault.pointer, fault.message) for fault in header_faults(headers)]
    if faults:
        raise InvalidSubmission("the webhook's headers are not valid", errors=faults)
    return headers


def merged_headers(*layers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """All headers; later layers override earlier ones, and names are case-insensitive."""
    latest = {name.lower(): (name, value) for name, value in chain.from_iterable(layers)}
    return dict(latest.values())


def signing_key(secret: str) -> bytes:
    """The key that signs a webhook.

    A secret with the prefix `whsec_` is base64 after it, as in the Standard Webhooks
    specification. Any other text is used as UTF-8 bytes, even if it is valid base64: decoding would
    turn "password" into six bytes. A receiver's library then needs `whsec_` and the base64 of that
    text. Raises ValueError for a secret without a key; the message does not show the secret.
    """
    if len(secret) > SECRET_LIMIT:
        raise ValueError(f"expected at most {SECRET_LIMIT} characters, got {len(secret)}")
    if not secret.startswith(SECRET_PREFIX):
        key = secret.encode()
    else:
        coded = secret.removeprefix(SECRET_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
        except binascii.Error:
            raise ValueError(f"expected base64 after {SECRET_PREFIX}") from None
    if not key:
        raise ValueError("expected a secret, got none")
    return key


def _fault(name: str, value: str) -> str | None:
    plain = name.lower()
    if not _NAME.fullmatch(name):
        return "is not the name of a header"
    if plain in _OF_THE_CONNECTION:
        return "belongs to the connection or describes the body; it is not for a webhook to set"
    if plain.startswith("webhook-"):
        return "is set by the signature"
    if not _VALUE.fullmatch(value):
        return "expected printable ASCII without spaces around it"
    return None
