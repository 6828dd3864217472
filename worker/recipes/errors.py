"""Why a step of a recipe failed, and what no further step can mend."""

from worker.actions.errors import ActionFailed
from worker.browser.errors import BrowserUnavailable
from worker.recipes.kept_outputs import LoopsKeepTooMuch


class StepFailed(ActionFailed):
    """A step failed; the message names it, its action and its line, and says why."""


ENDS_ALL = (BrowserUnavailable, LoopsKeepTooMuch)
"""Errors that end a recipe, whatever its steps say: every further step would fail alike."""
