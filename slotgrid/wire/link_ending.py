"""How a link ends: close codes and reasons."""

from dataclasses import dataclass
from enum import IntEnum

REASON_BYTES = 123
"""Bytes of the reason in a close frame, at most."""


class CloseCode(IntEnum):
    """Why a link was closed; codes from 4000 on belong to this protocol."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL = 1002
    CUT = 1006
    TOO_BIG = 1009
    DEFECT = 1011
    REJECTED = 4000
    DUPLICATE = 4001
    REPLACED = 4002
    SILENT = 4003
    BACKLOG = 4004
    HANDSHAKE = 4005


@dataclass(frozen=True, slots=True)
class LinkEnding:
    """How a link ended: close code, reason in one sentence, and whether the peer ended it."""

    code: int
    reason: str
    by_peer: bool = False


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame (RFC 6455, 5.5.1); the reason is cut to REASON_BYTES."""
    text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + text
