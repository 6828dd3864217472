"""The words of parsed nodes: for messages, and as paths of what a template reads."""

from typing import Any

from jinja2 import nodes

Path = tuple[str, ...]
"""A dotted path: ("steps", "rows", "output")."""


def name_of(node: nodes.Node) -> str:
    """The words of a node for messages: `steps.rows.output`, `steps.rows.output[0]`."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{name_of(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        key = node.arg
        index = repr(key.value) if isinstance(key, nodes.Const) else "..."
        return f"{name_of(node.node)}[{index}]"
    if isinstance(node, nodes.Filter):
        return f"{name_of(node.node) if node.node else '...'}|{node.name}"
    return "the value"


def path_of(node: nodes.Node) -> Path | None:
    """The dotted path of a name and its constant keys; None for other nodes."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    key: Any = None
    if isinstance(node, nodes.Getattr):
        key = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    if isinstance(key, str) and (above := path_of(node.node)):  # type: ignore[attr-defined]
        return (*above, key)
    return None
