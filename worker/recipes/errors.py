"""Why a step of a recipe failed."""

from worker.actions.errors import ActionFailed


class StepFailed(ActionFailed):
    """A step failed; the message names it, its action and its line, and says why."""
