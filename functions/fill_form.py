"""A form, filled in and sent."""

from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Locator, Page

from slotgrid.function import Artifact, Context, Meta, function
from worker.pages.activity import watch
from worker.pages.elements import find, selector_fault
from worker.pages.errors import ElementMissing
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page

from ._forms import FieldValue, Upload, fill_field, find_field

SETTLE_S = 15.0
"""Seconds that the page may take to answer before its state is reported as it is."""

_MAX_TEXT_CHARS = 20_000
_INVALID = """element => Object.fromEntries(
  [...(element.form ?? document).querySelectorAll(":invalid")]
  .filter(field => field.validationMessage)
  .map(field => [field.name || field.id, field.validationMessage]))"""
_SUBMIT = """element => (element.form ?? element.closest("form"))?.requestSubmit()"""


@dataclass(frozen=True)
class FormOutcome:
    """What stands on the page afterwards.

    `status` is the HTTP status when a page followed. `invalid` names the fields that the browser
    itself refused, with its words; the form was not sent then. `settled` is false when the page
    was still busy after 15 s. `loaded` and `pending` describe the page with the form, as it was
    when it was filled in.
    """

    submitted: bool
    url: str
    title: str
    text: str
    status: int | None
    invalid: dict[str, str]
    settled: bool
    screenshot: Artifact | None
    loaded: bool
    pending: list[str]


@function(timeout_s=90)
async def fill_form(
    context: Context,
    url: Url,
    *,
    fields: Annotated[
        dict[str, FieldValue | Upload],
        Meta(
            min_length=1,
            max_length=200,
            description="Values by the fields' labels, names, placeholders or CSS selectors",
            examples=[{"Full name": "Ada", "size": "Large", "terms": True}],
        ),
    ],
    secret_fields: Annotated[
        dict[str, str],
        Meta(
            description="Fields like `fields` whose values are shown nowhere: passwords",
            extra_json_schema={"writeOnly": True},
        ),
    ] = {},  # noqa: B006  only read; a schema wants a value for its default
    submit: Annotated[bool, Meta(description="Send the form, or only fill it in")] = True,
    button: Annotated[
        Selector | None, Meta(description="Text or CSS selector of the button that sends it")
    ] = None,
    screenshot: Annotated[bool, Meta(description="Keep a picture of what comes after")] = False,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    wait_for_after: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> FormOutcome:
    """Fill in a form, send it, and tell what comes after: a page, a message, or what is refused."""
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
    )
    page = visit.page
    for name, value in (fields | secret_fields).items():
        await fill_field(page, name, value)
    await context.status(f"{len(fields) + len(secret_fields)} fields filled")
    last = (await find_field(page, list(fields)[-1])).first
    invalid: dict[str, str] = await last.evaluate(_INVALID) if submit else {}
    status, settled = None, True
    if submit and not invalid:
        async with watch(page) as following:
            await _send(page, last, button)
            settled = await following.quiet(at_most_s=SETTLE_S)
            status = following.status
        if wait_for_after is not None:
            await find(page, wait_for_after)
    text = await page.evaluate("document.body?.innerText ?? ''")
    picture = await page.screenshot(full_page=True, timeout=0) if screenshot else None
    return FormOutcome(
        submitted=submit and not invalid,
        url=page.url,
        title=await page.title(),
        text=text.strip()[:_MAX_TEXT_CHARS],
        status=status,
        invalid=invalid,
        settled=settled,
        screenshot=await context.save("after.png", picture) if picture else None,
        loaded=visit.loaded,
        pending=visit.pending,
    )


async def _send(page: Page, field: Locator, button: str | None) -> None:
    """Press the button, or ask the form of `field` to send itself."""
    if button is None:
        await field.evaluate(_SUBMIT)
        return
    pressed = page.get_by_role("button", name=button, exact=True)
    if not await pressed.count():
        pressed = page.locator(f"css={button}")
    try:
        if not await pressed.count():
            raise ElementMissing(f"{page.url} has no button with the text or selector {button!r}")
    except Error as cause:
        raise selector_fault(button, cause) from cause
    await pressed.first.click()
