"""Makes sure of fonts for all scripts that pages are written in."""

import sys

from scripts import debian
from scripts.progress import StepFailed, command, step
from worker.browser.fonts import PACKAGES

SHOWN = 3
"""Names of scripts that fit into the line."""


def ensure_fonts() -> None:
    """Install fonts where that is possible, as one step; else say which scripts have none.

    Never fails: a worker works without them, but draws boxes in place of letters.
    """
    with step("fonts") as line:
        if debian.installed(*PACKAGES):
            line.detail = "for all scripts"
            return
        undrawn = undrawn_scripts()
        if undrawn and debian.this_distribution() and debian.can_install():
            line.detail = "installing them, about 150 MB"
            try:
                debian.install(*PACKAGES)
            except StepFailed:  # without a network, for example: the line says what is missing
                line.detail = ""
            else:
                undrawn = undrawn_scripts()
        line.detail = _summary(undrawn)


def undrawn_scripts() -> list[str]:
    """Names of the scripts of which the browser draws boxes; none if it does not start."""
    # In a process of its own, as Playwright takes a second to load, and often is not needed here.
    try:
        return command([sys.executable, "-m", "scripts.undrawn"]).splitlines()
    except StepFailed:
        return []  # the workers say why


def _summary(undrawn: list[str]) -> str:
    if not undrawn:
        return "for all scripts"
    more = f" and {len(undrawn) - SHOWN} more" if len(undrawn) > SHOWN else ""
    return f"none for {', '.join(undrawn[:SHOWN])}{more}, see `slotgrid check`"
