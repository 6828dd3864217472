"""Files in an S3 bucket or a compatible store. Needs the extra `slotgrid[s3]`."""

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from slotgrid.records.shared_files import File, NotShared
from slotgrid.runtime.safe_paths import plain

log = structlog.get_logger()

PIECE_BYTES = 1024 * 1024
REQUEST_S = 30
RETRIES = 3


class S3Files:
    """Implements `SharedFiles` below `s3://bucket/prefix`.

    Keys, region and endpoint are read from the environment variables of the AWS tools:
    `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; or from the
    machine's instance metadata.
    """

    def __init__(self, url: str) -> None:
        self._store = S3Store.from_url(
            url,
            client_options={"timeout": timedelta(seconds=REQUEST_S), "allow_http": True},
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=REQUEST_S),
            },
        )

    async def put(self, task_id: str, name: str, path: Path) -> None:
        """Upload the file, a large one in parts; it appears when all parts are uploaded."""
        try:
            await obstore.put_async(self._store, _key(task_id, name), path)
        except (BaseError, OSError) as cause:
            # A caller reads the exception; addresses and paths are for the log only.
            log.warning("artifacts.not_shared", task_id=task_id, name=name, reason=_reason(cause))
            raise NotShared(f"{name}: the storage of artifacts did not take it") from cause

    async def open(self, task_id: str, name: str) -> File | None:
        """The file in pieces; None if it is missing or unreadable."""
        try:
            found = await obstore.get_async(self._store, _key(task_id, name))
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as cause:
            log.warning("artifacts.unreadable", task_id=task_id, name=name, reason=_reason(cause))
            return None
        return _pieces(found)

    async def remove(self, task_ids: Collection[str]) -> None:
        """Remove the tasks' files; a failure is logged and the remaining files stay."""
        try:
            for task_id in task_ids:
                async for page in obstore.list(self._store, prefix=f"{plain(task_id)}/"):
                    await obstore.delete_async(self._store, [file["path"] for file in page])
        except (BaseError, OSError) as cause:
            log.warning("artifacts.not_removed", tasks=len(task_ids), reason=_reason(cause))


def _key(task_id: str, name: str) -> str:
    return f"{plain(task_id)}/{plain(name)}"


async def _pieces(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for piece in found.stream(min_chunk_size=PIECE_BYTES):
        yield bytes(piece)


def _reason(cause: Exception) -> str:
    """The first line of the error; the others describe the library."""
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
