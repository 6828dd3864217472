"""Compiled validators: jsonschema-rs alone judges, and matches patterns in linear time.

A backtracking engine can be kept busy for hours by a short text and a careless pattern.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

JsonSchema = Mapping[str, Any]


class SchemaFault(ValueError):
    """The schema itself is not a valid JSON Schema, or refers to what is not in it."""


class Judge:
    """A compiled schema. Raises SchemaFault for one that cannot be compiled, naming the place."""

    def __init__(self, document: JsonSchema) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(document), validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except jsonschema_rs.ValidationError as cause:
            raise SchemaFault(_reason(cause)) from None
        except (ValueError, jsonschema_rs.ReferencingError) as cause:
            raise SchemaFault(f"the schema cannot be compiled: {cause}") from None

    def accepts(self, value: Any) -> bool:
        """Whether the value is valid; False too for one that no JSON can be."""
        try:
            return self._validator.is_valid(value)
        except ValueError:
            return False


@lru_cache(maxsize=1024)
def pattern_judge(pattern: str) -> Judge:
    """Accepts the strings in which the pattern is found."""
    return Judge({"pattern": pattern})


def _reason(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(
        f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path
    )
    of_pattern = isinstance(error.instance, str) and "regex" in error.message
    what = (
        f"the pattern {error.instance!r} cannot be used: patterns are matched in linear time, "
        "without look-around and back-references"
    )
    return f"{place}: {what if of_pattern else error.message}"
