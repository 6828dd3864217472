"""Forms: every kind of field, and all that may come after."""

import json
import re

import pytest

from functions.fill_form import fill_form
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.functions.form_answers import impatient
from tests.site import sessions
from tests.site.fixtures import Site
from worker.pages.errors import ElementMissing
from worker.pages.form_values import FieldValue, Upload

__all__ = ["impatient"]

GOOD: dict[str, FieldValue] = {
    "Full name": "Ada",
    "E-mail": "ada@example.org",
    "I accept the terms": True,
}


async def test_fields_are_found_by_label_name_placeholder_and_selector(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(
        context,
        site.at("/forms/order"),
        fields={
            **GOOD,
            "Telephone": "+49 30 1234",
            "Quantity": 3,
            "day": "2026-12-24",
            "#size": "Large",
            "colours": ["red", "blue"],
            "extras": ["Express", "insurance"],
            "payment": "Invoice",
            "Notes": "two\nlines",
            "Floor plan": Upload("plan.txt", b"12345", "text/plain"),
        },
        screenshot=True,
    )
    assert (outcome.title, outcome.status, outcome.submitted) == ("Order received", 200, True)
    sent = re.search(r"\{.*\}", outcome.text)
    assert sent is not None
    assert json.loads(sent[0]) == {
        "token": ["from-the-page"], "name": ["Ada"], "email": ["ada@example.org"],
        "phone": ["+49 30 1234"], "quantity": ["3"], "day": ["2026-12-24"], "size": ["large"],
        "colours": ["red", "blue"], "extras": ["express", "insurance"], "payment": ["invoice"],
        "notes": ["two\r\nlines"], "plan": ["plan.txt (5 bytes)"], "terms": ["accepted"],
    }  # fmt: skip
    assert outcome.screenshot is not None
    assert context.saved["after.png"].startswith(b"\x89PNG")


async def test_what_the_site_refuses_is_told(context: RecordingContext, site: Site) -> None:
    outcome = await fill_form(
        context, site.at("/forms/order"), fields={"Full name": " "}, button="Place order"
    )
    assert (outcome.status, outcome.submitted) == (422, True)
    assert "Tell us your name" in outcome.text
    assert "Accept the terms" in outcome.text


async def test_what_the_browser_refuses_is_told_and_not_sent(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/forms/order"), fields={**GOOD, "E-mail": "ada"})
    assert not outcome.submitted
    assert outcome.invalid.keys() == {"email"}
    assert site.hits["/forms/order"] == 1


async def test_a_form_that_a_script_sends_is_waited_for(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(
        context, site.at("/pages/script-form.html"), fields={"Nickname": "ada"}
    )
    assert "Welcome, ada" in outcome.text
    assert (outcome.status, outcome.settled) == (None, True)


async def test_a_login_works_with_a_secret_password(context: RecordingContext, site: Site) -> None:
    outcome = await fill_form(
        context, site.at("/login"), fields={"User": sessions.USER},
        secret_fields={"Password": sessions.PASSWORD}, wait_for_after="h1",
    )  # fmt: skip
    assert (outcome.url, outcome.status) == (site.at("/account"), 200)
    assert "Hello, reader" in outcome.text
    assert sessions.PASSWORD not in repr(context.events)


async def test_a_form_can_be_filled_without_being_sent(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/forms/order"), fields=GOOD, submit=False)
    assert (outcome.submitted, outcome.url) == (False, site.at("/forms/order"))
    page = await context.page()
    assert await page.input_value("#name") == "Ada"


async def test_an_answer_that_never_settles_is_reported_as_it_is(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.fill_form.SETTLE_S", 1.0)
    page = await context.page()
    await page.route("**/forms/echo*", lambda _route: None)  # never answered
    outcome = await fill_form(
        context, site.at("/pages/script-form.html"), fields={"Nickname": "ada"}
    )
    assert (outcome.submitted, outcome.settled) == (True, False)
    assert "Welcome" not in outcome.text


@pytest.mark.usefixtures("impatient")
async def test_a_field_that_is_not_there_is_named(context: RecordingContext, site: Site) -> None:
    for name in ("Shoe size", "[[", "#nowhere"):
        with pytest.raises(ElementMissing, match="no field with the label, name or") as raised:
            await fill_form(context, site.at("/forms/order"), fields={name: "x"})
        assert repr(name) in str(raised.value)


@pytest.mark.usefixtures("impatient")
async def test_a_value_that_a_field_cannot_take_is_refused(
    context: RecordingContext, site: Site
) -> None:
    cases: tuple[tuple[str, FieldValue, str], ...] = (
        ("Size", "Huge", "'Size' has no choice 'Huge', but"),
        ("payment", "cash", "'payment' has no choice 'cash', but 'Card', 'Invoice'"),
        ("Floor plan", "plan.txt", "takes a file"),
        ("Full name", True, "takes text, not bool"),
    )
    for name, value, why in cases:
        with pytest.raises(InputRefused, match=why):
            await fill_form(context, site.at("/forms/order"), fields={name: value})


@pytest.mark.usefixtures("impatient")
async def test_a_button_that_is_not_there_is_named(context: RecordingContext, site: Site) -> None:
    with pytest.raises(ElementMissing, match="no button with the text or selector 'Buy'"):
        await fill_form(context, site.at("/forms/order"), fields=GOOD, button="Buy")
