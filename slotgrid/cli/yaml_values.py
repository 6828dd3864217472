"""YAML for the command line, with the values that a node reads in its own files.

`slotgrid.steps.yaml_text` belongs to nodes, of which the command line imports nothing.
"""

import re
from typing import Any

import yaml


class YamlFault(ValueError):
    """The text is not YAML."""


class _Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2: `on`, `yes`, `1:30` and dates are strings."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$", re.ASCII), _first
    )


def read_yaml(data: bytes) -> Any:
    """The value of a YAML or JSON document. Raises YamlFault."""
    try:
        return yaml.load(data, _Loader)  # noqa: S506  derived from SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise YamlFault(f"{where}{getattr(error, 'problem', None) or error}") from error
