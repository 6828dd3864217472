"""How a link ends: the codes that it closes with, each with a reason in words."""

from dataclasses import dataclass
from enum import IntEnum

REASON_BYTES = 123
"""What a close frame has room for."""


class CloseCode(IntEnum):
    """Why a link was closed; those from 4000 on are our own."""

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
class Ending:
    """How a link ended: by whom, the close code, and the reason in one sentence."""

    code: int
    reason: str
    by_peer: bool = False


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame (RFC 6455, 5.5.1), the reason cut to what it has room for."""
    text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + text
