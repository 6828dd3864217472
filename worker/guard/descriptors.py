"""The guard's share of file descriptors: pages must leave enough of them for the node's API."""

import errno
import os
import resource

CLIENTS_SHARE = 1 / 2
TARGETS_SHARE = 5 / 8
"""Connections to targets get more, so that each client that was let in can have one."""


def is_short(descriptor: int, share: float) -> bool:
    """Whether so many descriptors are open that `descriptor`, a new one, exceeds the share.

    The kernel assigns the lowest free number, so a high one means that many are in use.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most != resource.RLIM_INFINITY and descriptor >= most * share


def too_many() -> OSError:
    """The error for a connection that exceeds the guard's share."""
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))
