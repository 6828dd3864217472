"""Reads files that other programs may have replaced by anything."""

import errno
import os
import stat
from pathlib import Path

MOST = 16 * 1024 * 1024
"""Bytes of a file that is kept in memory."""


def read_regular_file(path: Path) -> bytes:
    """The bytes of a regular file of at most MOST. Raises OSError for anything else.

    Opened without waiting: a pipe would wait for its writer, and a device may have no end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise OSError(errno.EFBIG, f"it has more than {MOST:,} bytes", str(path))
    return data
