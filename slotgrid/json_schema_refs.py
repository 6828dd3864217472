"""References inside a JSON Schema: `$ref` with a JSON pointer from its root (`#/...`)."""

from collections.abc import Mapping
from typing import Any

from referencing import Registry, Resource
from referencing.exceptions import PointerToNowhere

REFERENCES_LIMIT = 32
"""A longer chain of references counts as a cycle."""

_RESOLVER = Registry[Any]().resolver()


class ReferenceFault(ValueError):
    """A `$ref` is not a JSON pointer into its schema, leads nowhere, or leads in a cycle."""


def target(reference: str, root: Mapping[str, Any]) -> Any:
    """The part of the schema `root` that the reference points to. Raises ReferenceFault."""
    if reference != "#" and not reference.startswith("#/"):
        raise ReferenceFault(f"$ref {reference!r} is not a JSON pointer into the schema (#/...)")
    try:
        # The content of the root, without what its `$id` and `$schema` would mean elsewhere.
        return Resource.opaque(root).pointer(reference[1:], _RESOLVER).contents
    except (PointerToNowhere, TypeError, ValueError):  # the last two: a path through a scalar
        raise ReferenceFault(f"$ref {reference!r} leads nowhere") from None


def resolve(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind its `$ref`, merged with the keywords beside it, which come first.

    `{}` for `true` and `false`, which have no keywords. Raises ReferenceFault.
    """
    reference = None
    for _ in range(REFERENCES_LIMIT):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        beside = {keyword: part for keyword, part in schema.items() if keyword != "$ref"}
        found = target(reference, root)
        schema = {**found, **beside} if isinstance(found, Mapping) else beside
    raise ReferenceFault(f"$ref {reference!r} leads in a cycle")
