"""How a form is sent, and that `submitted` is true only when something was."""

import pytest

from functions.fill_form import fill_form
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.functions.form_answers import impatient, received
from tests.site.fixtures import Site
from worker.pages.dialogs import DialogSeen, TooManyDialogs
from worker.pages.errors import ElementMissing, ElementUnusable
from worker.pages.form_values import FieldValue

__all__ = ["impatient"]

CITY: dict[str, FieldValue] = {"City": "Bonn"}


async def test_fields_without_a_form_are_sent_by_the_button_beside_them(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {"City": "Bonn", "Street": "Main"}
    outcome = await fill_form(context, site.at("/pages/forms/without-form.html"), fields=fields)
    assert (outcome.submitted, outcome.followed) == (True, "request")
    assert received(outcome) == {"city": "Bonn", "street": "Main"}


@pytest.mark.usefixtures("impatient")
async def test_without_a_form_and_an_obvious_button_one_is_asked_for(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(InputRefused, match=r"'Left', 'Right'; name one in `button`"):
        await fill_form(context, site.at("/pages/forms/two-buttons-without-form.html"), fields=CITY)
    with pytest.raises(InputRefused, match="the Enter key did nothing: name in `button`"):
        await fill_form(context, site.at("/pages/forms/without-form-or-button.html"), fields=CITY)


async def test_without_any_button_the_enter_key_sends(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/enter-without-form.html"), fields=CITY)
    assert (outcome.submitted, outcome.followed) == (True, "request")
    outcome = await fill_form(context, site.at("/pages/forms/no-button.html"), fields=CITY)
    assert received(outcome) == {"city": "Bonn", "street": ""}


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_called_sent_that_was_not(context: RecordingContext, site: Site) -> None:
    for name in ("dead-button", "mail"):
        outcome = await fill_form(context, site.at(f"/pages/forms/{name}.html"), fields=CITY)
        assert (outcome.submitted, outcome.followed) == (False, None), name


@pytest.mark.usefixtures("impatient")
async def test_a_button_that_keeps_the_page_busy_is_pressed_once(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/busy-button.html"), fields=CITY)
    assert (outcome.submitted, received(outcome)) == (True, {"city": "Bonn"})
    assert site.hits["/form-cases/received"] == 1


@pytest.mark.usefixtures("impatient")
async def test_a_script_that_only_writes_a_message_has_sent_nothing(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.fill_form.SETTLE_S", 1.0)  # the page asks the site all the time
    outcome = await fill_form(context, site.at("/pages/forms/checked-by-script.html"), fields=CITY)
    assert (outcome.submitted, outcome.followed) == (False, "change")
    assert "Give your street" in outcome.text


async def test_a_script_sends_by_fetch_at_once_or_later_by_socket_or_by_a_route(
    context: RecordingContext, site: Site
) -> None:
    for name, followed, text in (
        ("by-fetch", "request", 'Sent {"city":["Bonn"]}'),
        ("late-fetch", "request", 'Sent {"city":["Bonn"]}'),
        ("by-socket", "request", "got"),
        ("route", "route", "Thanks"),
    ):
        outcome = await fill_form(context, site.at(f"/pages/forms/{name}.html"), fields=CITY)
        assert (outcome.submitted, outcome.followed) == (True, followed), name
        assert text in outcome.text


async def test_the_default_button_sends_with_its_value_and_its_handlers(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(context, site.at("/pages/forms/buttons.html"), fields=CITY)
    assert received(outcome) == {"city": "Bonn", "do": "save", "log": "clicked", "plain": ""}
    outcome = await fill_form(context, site.at("/pages/forms/outside-fields.html"), fields=CITY)
    assert received(outcome) == {"city": "Bonn", "go": "first"}


async def test_a_button_is_named_by_its_text_or_selector_whatever_it_is(
    context: RecordingContext, site: Site
) -> None:
    cases: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("Draft", "POST", {"city": "Bonn", "do": "draft", "log": "", "draft": ""}),
        ("[value=find]", "GET", {"city": "Bonn", "do": "find", "log": ""}),
        ("Delete", "POST", {"city": "Bonn", "do": "Delete", "log": "", "plain": ""}),
        ("delete", "POST", {"city": "Bonn", "do": "Delete", "log": "", "plain": ""}),
        ("Map", "POST", {"city": "Bonn", "log": "", "plain": "", "map.x": "10", "map.y": "10"}),
        ("Link", "POST", {"city": "Bonn", "log": "", "plain": ""}),
        ("Plain text", "POST", {"city": "Bonn", "log": "", "plain": ""}),
    )
    for button, method, sent in cases:
        outcome = await fill_form(
            context, site.at("/pages/forms/buttons.html"), fields=CITY, button=button
        )
        assert outcome.text.startswith(method)
        assert received(outcome) == sent, button


@pytest.mark.usefixtures("impatient")
async def test_a_missing_button_is_named_with_those_there_are(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(
        ElementMissing, match=r"selector 'Buy', .*'Change', 'Save', 'Draft', 'Find'"
    ):
        await fill_form(context, site.at("/pages/forms/buttons.html"), fields=CITY, button="Buy")


@pytest.mark.usefixtures("impatient")
async def test_a_disabled_default_button_sends_nothing_until_it_is_enabled(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(ElementUnusable, match=r"the button 'Go' \(button\) is disabled"):
        await fill_form(context, site.at("/pages/forms/disabled-button.html"), fields=CITY)
    outcome = await fill_form(
        context, site.at("/pages/forms/button-enabled-by-change.html"), fields=CITY
    )
    assert received(outcome) == {"city": "Bonn"}


async def test_of_hidden_buttons_a_visible_one_goes_first(
    context: RecordingContext, site: Site
) -> None:
    for name, by in (("hidden-default-button", "click"), ("only-hidden-button", "enter")):
        outcome = await fill_form(context, site.at(f"/pages/forms/{name}.html"), fields=CITY)
        assert received(outcome) == {"city": "Bonn", "by": by}


async def test_the_form_that_has_all_fields_is_meant(context: RecordingContext, site: Site) -> None:
    outcome = await fill_form(
        context, site.at("/pages/forms/two-forms.html"),
        fields={"E-mail": "a@b.de"}, secret_fields={"Password": "x"},
    )  # fmt: skip
    assert received(outcome) == {"email": "a@b.de", "password": "x", "code": ""}
    with pytest.raises(InputRefused, match=r"'Password' in form#login"):
        await fill_form(
            context, site.at("/pages/forms/two-forms.html"),
            fields={"#letter [name=email]": "a@b.de", "Password": "x"},
        )  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_dialogs_are_accepted_or_dismissed_and_told(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/pages/forms/confirm.html")
    accepted = await fill_form(context, url, fields=CITY)
    assert (accepted.submitted, received(accepted)) == (True, {"city": "Bonn"})
    assert accepted.dialogs == [
        DialogSeen("alert", "Far away", "accept"),
        DialogSeen("confirm", "Order now?", "accept"),
    ]
    dismissed = await fill_form(context, url, fields=CITY, dialogs="dismiss")
    assert (dismissed.submitted, dismissed.followed) == (False, None)
    assert [dialog.answer for dialog in dismissed.dialogs] == ["dismiss", "dismiss"]
    assert site.hits["/form-cases/received"] == 1


async def test_prompts_get_their_own_text_or_the_given_one(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/pages/forms/prompt.html")
    for text, sent in ((None, "nobody"), ("Ada", "Ada"), ("", "")):
        outcome = await fill_form(context, url, fields=CITY, prompt_text=text)
        assert received(outcome)["by"] == sent
        assert [dialog.type for dialog in outcome.dialogs] == ["prompt"]


async def test_dialogs_at_load_and_at_leaving_are_answered(
    context: RecordingContext, site: Site
) -> None:
    for name, kind in (("dialog-at-load", "alert"), ("held-page", "beforeunload")):
        outcome = await fill_form(context, site.at(f"/pages/forms/{name}.html"), fields=CITY)
        assert received(outcome) == {"city": "Bonn"}
        assert [dialog.type for dialog in outcome.dialogs] == [kind]


async def test_dialogs_without_end_end_the_task_with_the_reason(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(TooManyDialogs, match="more than 50 dialogs, the last one alert 'again'"):
        await fill_form(context, site.at("/pages/forms/endless-dialogs.html"), fields=CITY)
