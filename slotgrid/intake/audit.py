"""The audit log: an event `audit.*` with user and address for each operation on the node."""

import structlog
from aiohttp import web

from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.caller_address import address_of

log = structlog.get_logger()


def audit(request: web.Request, action: str, **facts: object) -> None:
    """Log an action of the caller; the event's name is `audit.` and the action."""
    user = request[PRINCIPAL].name
    log.info(f"audit.{action}", user=user, address=address_of(request), **facts)
