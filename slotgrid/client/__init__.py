"""A Python client for a node's HTTP API.

    async with Client("http://127.0.0.1:3000", key) as client:
        answer = await client.call("page_title", {"url": "https://example.com"})
        print(answer.result)

Every method raises `Problem` if the node returns an error, `NodeUnreachable` if no node responds,
and `UnexpectedAnswer` if the response is not a node's; all three are `ClientError`.
"""

from slotgrid.client.client import (
    Client,
)
from slotgrid.client.requests import (
    DurableFields,
    TaskFields,
    TaskFilters,
)
from slotgrid.client.responses import (
    Accepted,
    Answer,
    ArtifactInfo,
    ClientError,
    Event,
    Fault,
    JsonObject,
    NodeUnreachable,
    Problem,
    TaskPage,
    UnexpectedAnswer,
)

__all__ = [
    "Accepted",
    "Answer",
    "ArtifactInfo",
    "Client",
    "ClientError",
    "DurableFields",
    "Event",
    "Fault",
    "JsonObject",
    "NodeUnreachable",
    "Problem",
    "TaskFields",
    "TaskFilters",
    "TaskPage",
    "UnexpectedAnswer",
]
