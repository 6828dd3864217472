"""The error of a node that cannot start with its configuration."""


class StartFault(Exception):
    """The text names the faulty setting or file, and the remedy."""
