"""Answers for the OpenAPI descriptions of the dashboard's handlers."""

from slotgrid.intake.framing import EVENT_STREAM
from slotgrid.intake.openapi import Answer
from slotgrid.intake.schemas.basics import TEXT

PAGE = Answer("A page", {"text/html": TEXT})
SEE_OTHER = Answer("Redirects to the next page", headers={"Location": "The page's address"})
CHANGES = Answer(
    "Server-sent events, one a second: what the page that asks must change. Made for that page "
    "alone; programs should use the rest of this API",
    {EVENT_STREAM: TEXT},
)
