"""Compiled validators: only jsonschema-rs validates values, with patterns in linear time.

A backtracking engine can take hours for a short text and a careless pattern.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

JsonSchema = Mapping[str, Any]


class SchemaFault(ValueError):
    """The schema is not a valid JSON Schema, or has a reference to a part outside it."""


class Validator:
    """A compiled schema. Raises SchemaFault, with the place, if it cannot be compiled."""

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
        """Whether the value is valid; also False for a value without a JSON form."""
        try:
            return self._validator.is_valid(value)
        except ValueError:
            return False


@lru_cache(maxsize=1024)
def pattern_validator(pattern: str) -> Validator:
    """A judge that accepts strings that contain a match of the pattern."""
    return Validator({"pattern": pattern})


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
