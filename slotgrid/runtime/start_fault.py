"""Why a node cannot start as it is set up."""


class StartFault(Exception):
    """The text names the setting or the file that is at fault, and what to do about it."""
