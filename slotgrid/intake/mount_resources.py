"""The routes of static mounts, which change while the node runs."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from slotgrid.intake.openapi import Handler, endpoint_of
from slotgrid.mounts.mounts import Mounts
from slotgrid.mounts.mounts_file import Mount


class MountResource(web.DynamicResource):
    """The one resource of all lists, or of all files, below the mounts of this moment.

    aiohttp's router takes no route after the start, so a path is compared with the mounts when it
    is requested, after all other routes.
    """

    def __init__(self, mounts: Mounts, handler: Handler, *, files: bool) -> None:
        super().__init__("/{mounted_file}" if files else "/{mounted}")
        self._mounts = mounts
        self._files = files
        self._handler = handler
        self.add_route("GET", handler)
        self.add_route("HEAD", handler)

    def _match(self, path: str) -> dict[str, str] | None:
        """`mounted`: the prefix of the mount that a decoded path belongs to; None for others."""
        mount = self._mounts.at(path)
        if mount is None or self._files is (path.rstrip("/") == mount.prefix):
            return None
        return {"mounted": mount.prefix}

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and OpenAPI operation of each mount."""
        endpoint = endpoint_of(self._handler)
        assert endpoint is not None
        for mount in self._mounts.entries:
            if mount.serves if self._files else mount.lists:
                operation = endpoint.to_openapi()
                slug = re.sub(r"[^A-Za-z0-9]+", "-", mount.prefix)
                operation["operationId"] += slug
                operation["summary"] += f" at {mount.prefix}"
                yield "get", self.path_at(mount.prefix), operation

    def path_at(self, prefix: str) -> str:
        """The path below that prefix in OpenAPI."""
        return prefix + "/{path}" if self._files else prefix


def names_below(mount: Mount, raw_path: str) -> list[str]:
    """The parts of a requested path below the mount, each decoded once.

    A slash or backslash that was encoded stays in its part, where it is refused. A byte that is not
    UTF-8 becomes a surrogate, as in Python's names of files.
    """
    parts = raw_path.split("/")[mount.prefix.count("/") + 1 :]
    return [unquote(part, errors="surrogateescape") for part in parts]
