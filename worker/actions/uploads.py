"""Files for the file fields of pages: from the functions folder, or given with the step."""

import asyncio
import base64
import binascii
import mimetypes
from pathlib import Path
from typing import Annotated

import msgspec
from playwright.async_api import FilePayload, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.fields import is_file_input
from worker.actions.function_files import FILE_MOST
from worker.actions.targets import Found

CHOOSER_S = 5.0
"""Seconds that a dialog for files has to open after the click on its button."""


Content = Annotated[str, Meta(max_length=FILE_MOST)]
Encoded = Annotated[str, Meta(max_length=FILE_MOST * 2)]
MediaType = Annotated[str, Meta(max_length=200)]


# A struct, as a dataclass would ignore an unknown name.
class InlineFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file whose content is given: `text`, or `base64`."""

    name: Annotated[str, Meta(min_length=1, max_length=255, description="The file's name")]
    text: Annotated[Content | None, Meta(description="Content as text")] = None
    base64: Annotated[Encoded | None, Meta(description="Content in base64")] = None
    content_type: Annotated[
        MediaType | None, Meta(description="Such as text/csv; by default from the name")
    ] = None


async def put_files(
    action: ActionContext,
    page: Page,
    found: Found,
    files: list[str | InlineFile],
    limit_ms: float,
) -> list[str]:
    """Put the files into the element, or into the dialog that a click on it opens; their names.

    Raises ActionFailed for a file that is not there or outside of the functions folder, and for an
    element that takes no files.
    """
    given, names = await _given(action, files)
    if await is_file_input(found.locator):
        await found.locator.set_input_files(given, timeout=limit_ms)
    else:
        try:
            async with page.expect_file_chooser(timeout=min(CHOOSER_S * 1000, limit_ms)) as opening:
                await found.locator.click(timeout=limit_ms)
            chooser = await opening.value
        except PageTimeout as cause:
            if "filechooser" not in cause.message:
                raise
            raise ActionFailed(
                f"{found.what} is no file field, and a click on it opened no dialog for files "
                f"within {CHOOSER_S:g} s"
            ) from cause
        await chooser.set_files(given, timeout=limit_ms)
    return names


async def _given(
    action: ActionContext, files: list[str | InlineFile]
) -> tuple[list[Path] | list[FilePayload], list[str]]:
    """The files as Playwright takes them, and their names.

    Paths, however large the files are, or else contents: it takes no mixture.
    """
    if files and all(isinstance(one, str) for one in files):
        paths = [await asyncio.to_thread(action.files.path, str(one)) for one in files]
        return paths, [path.name for path in paths]
    payloads = [await _payload(action, one) for one in files]
    return payloads, [one["name"] for one in payloads]


async def _payload(action: ActionContext, given: str | InlineFile) -> FilePayload:
    if isinstance(given, str):
        data, name = await action.files.read(given), given.rpartition("/")[2]
        return {"name": name, "mimeType": _type_of(name), "buffer": data}
    if (given.text is None) == (given.base64 is None):
        raise ActionFailed(f"the file {given.name!r} needs its content: `text` or `base64`")
    data = given.text.encode() if given.text is not None else await _decoded(given)
    return {
        "name": given.name,
        "mimeType": given.content_type or _type_of(given.name),
        "buffer": data,
    }


async def _decoded(given: InlineFile) -> bytes:
    assert given.base64 is not None
    try:
        return await asyncio.to_thread(base64.b64decode, given.base64, validate=True)
    except binascii.Error as cause:
        raise ActionFailed(f"the file {given.name!r} is not valid base64: {cause}") from cause


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
