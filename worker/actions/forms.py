"""Fields of forms: what they hold, choices, boxes, and files."""

from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions import fields
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.actions.following import After, AfterS, FieldAfter, follow_found
from worker.actions.targets import Target, find, on_target
from worker.actions.uploads import InlineFile, put_files


@dataclass(frozen=True)
class SelectAfter(After):
    """What the tab shows after a choice."""

    values: Annotated[list[str], Meta(description="Values of the options that are selected now")]


@dataclass(frozen=True)
class CheckAfter(After):
    """What the tab shows after a box was checked or cleared."""

    checked: Annotated[bool, Meta(description="Whether it is checked now")]


@dataclass(frozen=True)
class UploadAfter(After):
    """What the tab shows after files were chosen."""

    files: Annotated[list[str], Meta(description="Names of the files that were given")]


@action
@on_target()
async def fill(
    action: ActionContext,
    target: Target,
    value: Annotated[str, Meta(max_length=1_000_000, description="What the field is to hold")],
    *,
    settle_s: AfterS = 0,
) -> FieldAfter:
    """Set what a field holds at once: an input, a text area, or an editable element.

    Dates and times are given as the browser keeps them: 2030-12-31, 23:59.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: fill, with: {role: textbox, name: E-mail, value: ada@example.org}}
    ```

    Limits:

    - Pages that watch single keys may not notice: use `type`.
    """
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = target.limit_ms(action)
    with in_words(found.what):
        element = await found.locator.element_handle(timeout=limit_ms)
    after = await follow_found(
        action, page, found, lambda: found.locator.fill(value, timeout=limit_ms), settle_s=settle_s
    )
    held = await fields.value_of(element)
    if value and held == "":
        raise ActionFailed(f"{found.what} does not take {value[:100]!r}: it is empty now")
    return FieldAfter(**vars(after), value=held)


@action
@on_target()
async def select(
    action: ActionContext,
    target: Target,
    *,
    value: Annotated[str | list[str] | None, Meta(description="Values of options")] = None,
    label: Annotated[str | list[str] | None, Meta(description="Texts of options")] = None,
    index: Annotated[int | list[int] | None, Meta(description="Places of options, from 0")] = None,
    settle_s: AfterS = 0.5,
) -> SelectAfter:
    """Choose options of a `<select>`; of one that takes several, exactly these.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: select, with: {selector: "#colours", label: [red, blue]}}
    ```
    """
    given = [one for one in (value, label, index) if one is not None]
    if len(given) != 1:
        raise ParametersInvalid("select", [Violation("", "give `value`, `label` or `index`")])
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = target.limit_ms(action)
    chosen: list[str] = []

    async def deed() -> None:
        try:
            chosen.extend(
                await found.locator.select_option(
                    value=value, label=label, index=index, timeout=limit_ms
                )
            )
        except PageTimeout as error:
            if "did not find some options" not in error.message:
                raise
            offered = ", ".join(repr(one) for one in await fields.options_of(found.locator))
            raise ActionFailed(
                f"{found.what} has no option {given[0]!r}; its options are {offered}"
            ) from error

    after = await follow_found(action, page, found, deed, settle_s=settle_s)
    wanted = given[0] if isinstance(given[0], list) else [given[0]]
    if len(chosen) < len(set(wanted)):
        raise ActionFailed(
            f"{found.what} took {len(chosen)} of {len(wanted)} options: it takes only one"
        )
    return SelectAfter(**vars(after), values=chosen)


@action
@on_target()
async def check(action: ActionContext, target: Target, *, settle_s: AfterS = 0.5) -> CheckAfter:
    """Check a checkbox, a switch or a radio button, if it is not checked.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: check, with: {role: checkbox, name: I accept the terms}}
    ```
    """
    return await _set_checked(action, target, settle_s, to=True)


@action
@on_target()
async def uncheck(action: ActionContext, target: Target, *, settle_s: AfterS = 0.5) -> CheckAfter:
    """Clear a checkbox or a switch, if it is checked.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: check, with: {text: Express}}
    - {action: uncheck, with: {text: Express}}
    ```
    """
    return await _set_checked(action, target, settle_s, to=False)


@action
@on_target()
async def upload(
    action: ActionContext,
    target: Target,
    files: Annotated[
        list[str | InlineFile],
        Meta(
            max_length=100,
            description="Files of the functions folder, or files with their content given here; "
            "none clears the field",
        ),
    ],
    *,
    settle_s: AfterS = 0.5,
) -> UploadAfter:
    """Choose files in a file field, or in the dialog that a button opens.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - action: upload
      with: {selector: "#plan", files: [{name: plan.txt, text: Two rooms}]}
    ```

    Limits:

    - Files are those of the functions folder: a path leads from the recipe, with a leading `/` from
      the folder.
    """
    page = await action.page()
    found = await find(action, page, target, state="attached")
    limit_ms = target.limit_ms(action)
    names: list[str] = []

    async def deed() -> None:
        names.extend(await put_files(action, page, found, files, limit_ms))

    after = await follow_found(action, page, found, deed, settle_s=settle_s)
    return UploadAfter(**vars(after), files=names)


async def _set_checked(
    action: ActionContext, target: Target, settle_s: float, *, to: bool
) -> CheckAfter:
    page = await action.page()
    found = await find(action, page, target, state="attached")
    limit_ms = target.limit_ms(action)

    async def deed() -> None:
        # A box in the look of the page is often hidden, and its label takes the click.
        label = None if found.is_visible else await fields.shown_label(found.locator)
        if label is None:
            await found.locator.set_checked(to, timeout=limit_ms)
        elif await found.locator.is_checked() != to:
            await label.click(timeout=limit_ms)

    with in_words(found.what):
        element = await found.locator.element_handle(timeout=limit_ms)
    after = await follow_found(action, page, found, deed, settle_s=settle_s)
    try:
        checked = await element.is_checked()
    except Error:  # the page has moved on, or has drawn the box anew
        checked = to
    if checked != to:
        raise ActionFailed(f"{found.what} kept its state when it was clicked")
    return CheckAfter(**vars(after), checked=checked)
