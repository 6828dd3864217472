"""Static mounts: the list of a folder's files, and one of them."""

import os
from urllib.parse import quote

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import Conflict, FileForbidden, FolderUnavailable, NotFound
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.file_headers import file_headers
from slotgrid.intake.file_response import OpenFileAnswer
from slotgrid.intake.framing import json_response
from slotgrid.intake.mount_resources import MountResource, names_below
from slotgrid.intake.openapi import Answer, Parameter, json_answer
from slotgrid.intake.query import paging
from slotgrid.intake.schemas.basics import TEXT
from slotgrid.mounts.folder_files import (
    FILES_MOST,
    Entry,
    FileRefused,
    FolderMissing,
    NoSuchFile,
    TooManyFiles,
)
from slotgrid.mounts.mounts import Mounts
from slotgrid.mounts.mounts_file import Mount
from slotgrid.runtime.content_types import content_type_of

MOUNTS = web.AppKey("mounts", Mounts)
FILE_PATH = Parameter(
    "path", "The file's path, percent-encoded as in `url` of the list", TEXT, "path"
)


def add_mounts(app: web.Application, mounts: Mounts) -> None:
    """Serve the mounts, after all routes that are added."""
    app[MOUNTS] = mounts
    app.router.register_resource(MountResource(mounts, list_mount, files=False))
    app.router.register_resource(MountResource(mounts, get_mounted_file, files=True))


@docs(
    summary="The files of the folder",
    tags=["files"],
    scope=Scope.READ,
    parameters=d.PAGING,
    responses={200: json_answer("A page of the files, by name", d.MOUNT_LISTING)},
    problems=(NotFound, FileForbidden, Conflict, FolderUnavailable),
)
async def list_mount(request: web.Request) -> web.Response:
    """`GET {prefix}`."""
    mount = _mount(request)
    if not mount.lists:
        raise FileForbidden(f"the files of {mount.prefix} are not listed (`list: false`)")
    limit, offset = paging(request)
    try:
        listing = await request.app[MOUNTS].files(mount, limit=limit, offset=offset)
    except FolderMissing as missing:
        raise _unavailable(mount, missing) from missing
    except TooManyFiles:
        raise Conflict(
            f"{mount.prefix} has more than {FILES_MOST} files, too many for a list"
        ) from None
    entries = [_entry(mount, entry) for entry in listing.entries]
    return json_response(
        {
            "prefix": mount.prefix,
            "count": len(entries),
            "total": listing.total,
            "entries": entries,
        }
    )


@docs(
    summary="A file of the folder",
    tags=["files"],
    scope=Scope.READ,
    parameters=(FILE_PATH,),
    responses={
        200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
        **d.FILE_ANSWERS,
    },
    problems=(NotFound, FileForbidden, FolderUnavailable),
)
async def get_mounted_file(request: web.Request) -> web.StreamResponse:
    """`GET {prefix}/{path}`; a type that can run scripts is sent as a download."""
    mount = _mount(request)
    if not mount.serves:
        raise FileForbidden(f"the files of {mount.prefix} are listed only (`serve: false`)")
    names = names_below(mount, request.rel_url.raw_path)
    try:
        file = await request.app[MOUNTS].open(mount, names)
    except FolderMissing as missing:
        raise _unavailable(mount, missing) from missing
    except NoSuchFile:
        raise NotFound(f"{mount.prefix} has no such file") from None
    except FileRefused as refused:
        raise FileForbidden(str(refused)) from None
    name = _shown(names[-1])
    return OpenFileAnswer(file, headers=file_headers(name, content_type_of(name)))


def _mount(request: web.Request) -> Mount:
    mount = request.app[MOUNTS].at(request.match_info["mounted"])
    if mount is None:  # removed after the route was found
        raise NotFound(f"nothing exists at {request.path}")
    return mount


def _entry(mount: Mount, entry: Entry) -> dict[str, object]:
    url = f"{mount.prefix}/{quote(os.fsencode(entry.path))}"
    return {
        "name": _shown(entry.path),
        "url": url if mount.serves else None,
        "size": entry.size,
        "modified_at": iso(entry.modified_at),
    }


def _shown(name: str) -> str:
    """The name as text: a byte that is not UTF-8 becomes a replacement character."""
    return os.fsencode(name).decode(errors="replace")


def _unavailable(mount: Mount, missing: FolderMissing) -> FolderUnavailable:
    return FolderUnavailable(f"the folder of {mount.prefix} is not available: {missing}")
