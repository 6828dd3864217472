"""The version of the worker's browser, as a tag."""

from slotgrid.function import NodeFacts, tag


@tag
def chromium(node: NodeFacts) -> str:
    """Return which browser tasks run in."""
    return node.browser_version or "none could be started"
