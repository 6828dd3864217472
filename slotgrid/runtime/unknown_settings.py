"""Settings that Slotgrid does not have, told with the one that was perhaps meant."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from slotgrid.runtime.other_spellings import THEIR_NAMES
from slotgrid.runtime.settings import TABLE

NEAR_IN_FILE = 0.65
"""`.env` is a file of ours: but for secrets of functions, its names are meant as settings."""
NEAR_IN_ENVIRONMENT = 0.85
"""The environment has hundreds of names of others: only a slip of the pen is worth a line."""


def unknown_settings(environ: Mapping[str, str], in_file: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each name that is nearly a setting; values are not shown.

    `in_file` is what `.env` sets. Names without a near one are left alone: functions take their
    secrets from the same places.
    """
    known = [row.env for row in TABLE.values()]
    for name in sorted({*environ, *in_file} - THEIR_NAMES - {*known}):
        if name in in_file:
            where, near = ".env", _nearest(name.removeprefix("SLOTGRID_"), known, NEAR_IN_FILE)
        else:
            where, near = "the environment", _nearest(name, known, NEAR_IN_ENVIRONMENT)
        if near:
            yield f"{name} in {where} is no setting of Slotgrid; did you mean {near[0]}?"


def _nearest(name: str, known: Sequence[str], cutoff: float) -> list[str]:
    return difflib.get_close_matches(name[:100], known, n=1, cutoff=cutoff)
