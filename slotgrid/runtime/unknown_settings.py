"""Reports misspelled settings, with the setting that was probably meant."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from slotgrid.runtime.setting_aliases import THEIR_NAMES
from slotgrid.runtime.settings import TABLE

NEAR_IN_FILE = 0.65
"""Cutoff in `.env`: low, as its names are meant as settings, except for secrets of functions."""
NEAR_IN_ENVIRONMENT = 0.85
"""Cutoff in the environment: high, as it has hundreds of names of other programs."""


def unknown_settings(environ: Mapping[str, str], in_file: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each name that is similar to a setting; values are not shown.

    `in_file` holds the variables of `.env`. Names without a similar setting are ignored: functions
    read their secrets from the same places.
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
