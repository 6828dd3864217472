"""Errors between the worker and its functions. Import them from `slotgrid.function`."""


class InputRefused(ValueError):
    """A function cannot do what its input asks for: the task fails with `invalid-input`.

    Raise it for what the schema cannot express. `field` is the path of the field at fault, such as
    `browser/timezone`; `str(error)` is one sentence. No retry follows.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class OptionRefused(ValueError):
    """`Context.page` refuses an option; `str(error)` says why in one sentence.

    `option` is its name, as in Playwright's `new_context`; None if no single option is at fault.
    """

    def __init__(self, option: str | None, message: str) -> None:
        super().__init__(message)
        self.option = option
