"""Files that actions save: artifacts of the task, also inline where the caller asks for it."""

import base64
from dataclasses import dataclass
from typing import Annotated

from slotgrid.core.task_parts import FileData
from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed

INLINE_MOST = 5 * 1024 * 1024
"""Bytes of a file that a result carries; as base64 it is a third larger."""

FileName = Annotated[
    Annotated[str, Meta(min_length=1, max_length=255)] | None,
    Meta(
        description="Name of the artifact, which replaces one of that name; without it, a name "
        "that is still free",
    ),
]
Inline = Annotated[
    bool,
    Meta(description="Give the file in the result too, as base64; at most 5 MiB"),
]


@dataclass(frozen=True)
class SavedFile:
    """An artifact of the task; `url` is relative to the node."""

    name: str
    size: int
    url: str
    content_type: str
    base64: Annotated[str | None, Meta(description="The bytes, if `inline` asks for them")] = None


async def save_file(
    action: ActionContext,
    path: str | None,
    default: str,
    data: FileData,
    *,
    inline: bool = False,
) -> SavedFile:
    """Save a file as `path`, or under the default name if that is None; `inline` takes bytes only.

    Raises ActionFailed for a file that is too large to be given inline, ValueError for one that
    the task cannot keep.
    """
    encoded = None
    if inline and isinstance(data, bytes):
        if len(data) > INLINE_MOST:
            raise ActionFailed(
                f"the file has {len(data)} bytes, and {INLINE_MOST} can be inline: leave `inline` "
                "out and read the artifact"
            )
        encoded = base64.b64encode(data).decode()
    artifact = await action.context.save(path or default, data, replace=path is not None)
    return SavedFile(artifact.name, artifact.size, artifact.url, artifact.content_type, encoded)
