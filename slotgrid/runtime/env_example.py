"""Prints `.env.example`: `python -m slotgrid.runtime.env_example > .env.example`."""

import sys
import textwrap

from slotgrid.runtime.setting_table import Setting
from slotgrid.runtime.settings import TABLE

WIDTH = 100
HEAD = """\
# Settings of a Slotgrid node: copy to .env and uncomment what you change. The environment wins
# over that file, and an empty value means the default.
# Printed by `python -m slotgrid.runtime.env_example`; do not edit by hand.
"""


def env_example() -> str:
    """The whole file: each setting with its purpose, unit and default."""
    return HEAD + "".join(_entry(row) for row in TABLE.values())


def _entry(row: Setting) -> str:
    heading = f"\n# ---- {row.heading} ----\n" if row.heading else ""
    facts = [row.doc]
    if row.unit:
        facts.append(f"Unit: {row.unit}.")
    if row.derive:
        facts.append(f"Default: {row.default}.")
    about = textwrap.fill(
        " ".join(facts), WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    # Not commented out: a secret has no default, so the user fills in its line.
    mark = "" if row.secret else "#"
    value = "" if row.derive else row.default
    return f"{heading}\n{about}\n{mark}{row.env}={value}\n"


if __name__ == "__main__":
    sys.stdout.write(env_example())
