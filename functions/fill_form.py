"""A form, filled in and sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from slotgrid.function import Artifact, Context, InputRefused, Meta, function
from worker.pages.activity import QUIET_S
from worker.pages.browser_options import Browser
from worker.pages.buttons import ButtonUnclear, press_if_there
from worker.pages.context_page import open_context_page
from worker.pages.dialogs import AnsweredDialogs, DialogAnswer, DialogSeen
from worker.pages.downloads import save_download
from worker.pages.elements import find
from worker.pages.form_values import FieldValue
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.reactions import SENT, Followed, shown_by
from worker.pages.results import Address, Loaded, PageTitle, Pending
from worker.pages.submitting import Refusal, send

from ._forms import FilledForm

SETTLE_S = 15.0
"""Seconds that the page may take to answer before its state is reported as it is."""

_MAX_TEXT_CHARS = 20_000


@dataclass(frozen=True)
class FormOutcome:
    """What came of the form, and what the page, tab or frame shows that answered."""

    submitted: Annotated[
        bool,
        Meta(
            description="True only if something was seen to leave the page: `followed` is `page`, "
            "`tab`, `download`, `request` or `route`"
        ),
    ]
    followed: Annotated[
        Followed | None,
        Meta(
            description="What followed: `page`, a navigation of the page or of the form's frame; "
            "`tab`, a new one; `download`, a file; `request`, one of the page's script with a "
            "given value, or other than GET to its own site; `route`, another address without a "
            "request; `change`, nothing but another text"
        ),
    ]
    url: Address
    title: PageTitle
    text: Annotated[str, Meta(description="What it shows, at most 20,000 characters")]
    status: Annotated[
        int | None, Meta(description="HTTP status of the page or file that followed, if one did")
    ]
    invalid: Annotated[
        dict[str, str],
        Meta(
            description="The fields that the browser itself refused, with its words; nothing was "
            "sent then"
        ),
    ]
    changed: Annotated[
        dict[str, str],
        Meta(description="What fields hold whose value the page or the browser wrote otherwise"),
    ]
    dialogs: Annotated[list[DialogSeen], Meta(description="The dialogs, in their order")]
    download: Annotated[
        Artifact | None, Meta(description="The file that the site answered with, if it was one")
    ]
    settled: Annotated[bool, Meta(description="False if the page was still busy after 15 s")]
    screenshot: Annotated[Artifact | None, Meta(description="The picture, if one was asked for")]
    loaded: Loaded
    pending: Pending


@function(timeout_s=90)
async def fill_form(
    context: Context,
    url: Url,
    *,
    fields: Annotated[
        dict[str, FieldValue],
        Meta(
            max_length=200,
            description="Values by the fields' labels, names, placeholders or CSS selectors: text, "
            "numbers, true or false for a box, lists for several choices or files",
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
        Selector | None,
        Meta(description="Text or CSS selector of the button that sends it, by default the form's"),
    ] = None,
    dismiss: Annotated[
        list[Selector],
        Meta(
            max_length=10,
            description="Texts or CSS selectors of buttons to press first, such as one of a cookie "
            "banner; one that does not appear within 2 s is left out",
        ),
    ] = [],  # noqa: B006  only read
    dialogs: DialogAnswer = "accept",
    prompt_text: Annotated[
        str | None, Meta(description="Text for the page's prompts; by default their own")
    ] = None,
    screenshot: Annotated[bool, Meta(description="Keep a picture of what comes after")] = False,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    wait_for_after: Annotated[
        Selector | None, Meta(description="Selector of an element to wait for once it is sent")
    ] = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> FormOutcome:
    """Fill in a form, send it, and return the outcome: a page, a message, or the refused fields.

    Fields are also found in frames and open shadow roots. A value that a field would turn into
    another one is refused with what the field takes.

    Limits:
    - One form is sent once: a form of several steps needs a function of its own.
    - A field without an `<input>`, `<select>`, `<textarea>` or editable text is not filled: lists
      and calendars that a page draws itself, closed shadow roots, CAPTCHAs.
    - Suggestions of a field are not chosen, and files are not dropped onto an area.
    - Whether a site accepted the data is in `text` and `status`; `submitted` says it was sent.
    - A form that a script sends by GET or by a WebSocket counts as sent only if a value is readable
      in the address or message.
    - Screenshots show what the page shows, secret values included.
    """
    if not fields and not secret_fields:
        raise InputRefused("fields", "is empty, as `secret_fields` is: give at least one field")
    if twice := sorted(fields.keys() & secret_fields.keys()):
        raise InputRefused("secret_fields", f"{twice[0]!r} is in `fields` too: give it once")
    page = await open_context_page(context, url, browser)
    async with AnsweredDialogs(page.context, dialogs, prompt_text=prompt_text) as answered:
        visit = await open_page(
            context,
            url,
            wait_until=wait_until,
            wait_for=wait_for,
            settle_s=settle_s,
            load_timeout_s=load_timeout_s,
            browser=browser,
        )
        page = visit.page
        for name in dismiss:
            await press_if_there(page, name)
        form = FilledForm(page, fields, secret_fields)
        await form.fill()
        await form.check(one_form=submit and button is None)
        await context.status(f"{len(fields | secret_fields)} fields filled")
        answer, sent = page.main_frame, None
        if submit:
            texts = await form.texts()
            try:
                sent = await send(
                    page,
                    form.fields,
                    texts,
                    button,
                    at_most_s=SETTLE_S,
                    quiet_s=max(QUIET_S, settle_s),
                )
            except ButtonUnclear as cause:
                raise InputRefused("button", str(cause)) from cause
            answer = sent.reaction.answer
        if sent and not sent.invalid and wait_for_after is not None:
            await find(answer, wait_for_after, field="wait_for_after")
        title, text = await shown_by(answer)
        file = sent.reaction.download if sent else None
        picture = await answer.page.screenshot(full_page=True, timeout=0) if screenshot else None
        followed = sent.reaction.followed if sent else None
        return FormOutcome(
            submitted=followed in SENT,
            followed=followed,
            url=answer.url,
            title=title,
            text=text.strip()[:_MAX_TEXT_CHARS],
            status=sent.reaction.status if sent else None,
            invalid=_in_words(form, sent.invalid) if sent else {},
            changed=form.changed,
            dialogs=answered.seen,
            download=await save_download(context, file) if file else None,
            settled=sent.settled if sent else True,
            screenshot=await context.save("after.png", picture) if picture else None,
            loaded=visit.loaded,
            pending=visit.pending,
        )


def _in_words(form: FilledForm, refused: Sequence[Refusal]) -> dict[str, str]:
    """The browser's words about fields; for a secret field ours, as the browser quotes values."""
    return {
        one.name: "the browser does not accept the value"
        if form.is_secret(one.names)
        else one.words
        for one in refused
    }
