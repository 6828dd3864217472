"""How many files a process may have open."""

import resource


def allow_open_files(needed: int) -> bool:
    """Raise the limit of this process where it is lower; False when the machine does not let us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return True
    if hard != resource.RLIM_INFINITY and hard < needed:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return True
