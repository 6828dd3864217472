"""Why an action failed; each text is a sentence for a reader who does not know the code."""


class ActionFailed(RuntimeError):
    """An action could not do what was asked for; the message says why and what to do."""


class StepTimeout(ActionFailed):
    """What an action waited for did not come in time."""


class TabClosed(ActionFailed):
    """The tab of the step was closed, and no other is open."""


class Returned(BaseException):
    """The action `return` ends the recipe with this value. Not an error: nothing retries it."""

    def __init__(self, value: object) -> None:
        super().__init__("the recipe returned")
        self.value = value
