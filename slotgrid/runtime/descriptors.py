"""File descriptors: the limit of the process, and what connections must leave free."""

import resource

RESERVED = 256
"""File descriptors that connections to the API may not use; at most a quarter of the limit."""


def descriptor_limit() -> int | None:
    """How many descriptors the process may have open; None without a limit."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def reserved_descriptors(limit: int) -> int:
    """How many of `limit` connections to the API leave to browsers, files and links."""
    return min(RESERVED, limit // 4)
