"""Why a step of a recipe failed, and what no further step can mend."""

from worker import failures
from worker.actions.errors import ActionFailed
from worker.browser.errors import BrowserUnavailable
from worker.recipes.kept_outputs import LoopsKeepTooMuch


class StepFailed(ActionFailed):
    """A step failed; the message names it, its action and its line, and says why."""

    @classmethod
    def at(cls, place: str, words: str, error: Exception) -> "StepFailed":
        """The failure at a place, for the `words` of the error.

        The error itself if it names an inner step already, and its cause would no longer fit.
        """
        named = f"{place}: {words}"
        too_long = len(named) > failures.DETAIL_LIMIT
        return error if too_long and isinstance(error, StepFailed) else cls(named)


ENDS_ALL = (BrowserUnavailable, LoopsKeepTooMuch)
"""Errors that end a recipe, whatever its steps say: every further step would fail alike."""
