"""The text of a YAML file, in a form that our reader and people read alike."""

import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_ ./()-]*[A-Za-z0-9_)]|[A-Za-z_]", re.ASCII)
"""Texts without quotes: nothing that any version of YAML takes for something else."""
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_WIDTH = 10_000
"""No line is folded, so that a search by line finds whole texts."""


class _Dumper(yaml.SafeDumper):
    """Writes texts with double quotes unless they are words, and blocks of lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: the same value twice is written twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of a list too."""
        del indentless
        super().increase_indent(flow, False)


def _write_text(dumper: _Dumper, text: str) -> yaml.Node:
    style = '"'
    if "\n" in text.strip("\n") and not re.search(r"[ \t]\n|[ \t]\Z", text):
        style = "|"
    elif _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not text.startswith("."):
        style = ""
    elif '"' in text and "'" not in text and text.isascii() and text.isprintable():
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style or None)


_Dumper.add_representer(str, _write_text)


def yaml_text(value: Any, *, head: str = "") -> str:
    """The value as YAML, behind a comment of one line."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=None,
    )
    comment = " ".join(head.split())
    return f"# {comment}\n{text}" if comment else str(text)
