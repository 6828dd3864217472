"""A field holds what it was given, or the value is refused with what the field takes."""

import traceback

import pytest

from functions.fill_form import fill_form
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.functions.form_answers import impatient, received
from tests.site.fixtures import Site
from worker.pages.form_values import FieldValue, Upload

__all__ = ["impatient"]

TYPES = "/pages/forms/types.html"
MASKS = "/pages/forms/masks.html"


async def test_every_kind_of_field_holds_its_value(context: RecordingContext, site: Site) -> None:
    fields: dict[str, FieldValue] = {
        "Day": "2026-12-24", "Hour": "10:30", "Moment": "2026-12-24T10:00", "Month": "2026-12",
        "Week": "2026-W09", "Colour": "#ff0000", "Volume": 4, "Pieces": "007", "Mail": "a@b.de",
        "Short": "12345", "Text": "a\r\nb ", "Payment": "Invoice", "News": "yes", "Story": "Once",
        "Plans": [Upload("a.txt", b"1"), Upload("b.txt", b"22")], "Site": "https://example.org",
        "Town": "Bonn",
    }  # fmt: skip
    outcome = await fill_form(context, site.at(TYPES), fields=fields)
    assert outcome.changed == {}
    assert received(outcome) == {
        "day": "2026-12-24", "hour": "10:30", "moment": "2026-12-24T10:00", "month": "2026-12",
        "week": "2026-W09", "colour": "#ff0000", "volume": "4", "pieces": "007", "mail": "a@b.de",
        "short": "12345", "text": "a\r\nb ", "site": "https://example.org", "size": "s",
        "plan": "", "plans": ["a.txt", "b.txt"], "shown": "fixed", "pay": "i", "news": "on",
        "closed": "", "inert": "", "town": "Bonn", "home": "",
    }  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_a_value_that_would_become_another_one_is_refused(
    context: RecordingContext, site: Site
) -> None:
    cases: tuple[tuple[str, FieldValue, str], ...] = (
        ("Day", "24.12.2026", "'Day' takes a date as YYYY-MM-DD, not '24.12.2026'"),
        ("Hour", "9:30", "takes a time as HH:MM or HH:MM:SS"),
        ("Moment", "tomorrow", "takes a date and time as YYYY-MM-DDTHH:MM"),
        ("Month", "12/2026", "takes a month as YYYY-MM"),
        ("Week", 9, "takes a week as YYYY-Www"),
        ("Colour", "red", "takes a colour as #rrggbb"),
        ("Volume", 11, "takes a number from 0 to 10 in steps of 2, not '11'"),
        ("Volume", 3, "in steps of 2, not '3'"),
        ("Pieces", "abc", "takes a number such as 1.5"),
        ("Pieces", "1,5", "takes a number such as 1.5"),
        ("Short", "123456", "takes at most 5 characters, and 6 were given"),
        ("Mail", "a@b.de\nc@d.de", "takes one line of text"),
        ("Size", "Large", "choice 'Large' of field 'Size' is disabled"),
        ("Size", ["Small", "Large"], "takes one choice, not 2"),
        ("Plan", [Upload("a", b""), Upload("b", b"")], "takes one file, not 2"),
        ("Site", Upload("a", b""), r"'Site' \(input\) takes no file"),
        ("Payment", True, "takes one or several of 'Card', 'Invoice'"),
        ("pay", ["Card", "Invoice"], "takes one of 'Card', 'Invoice', not 2"),
        ("Invoice", False, "choose another one"),
        ("News", "maybe", "'News' is a box: it takes true or false"),
        ("Text", ["a"], "takes text, not list"),
    )
    for name, value, why in cases:
        with pytest.raises(InputRefused, match=why):
            await fill_form(context, site.at(TYPES), fields={name: value})
    assert site.hits["/form-cases/received"] == 0


async def test_what_the_page_only_formats_is_sent_and_told(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {"Phone": "0123456", "Keys": "abc", "Trap": "x", "Price": 12.5}
    outcome = await fill_form(context, site.at(MASKS), fields=fields)
    assert outcome.changed == {"Phone": "(012) 345-6", "Price": "12.50"}
    sent = received(outcome)
    assert [sent[name] for name in ("phone", "price", "keys", "trap")] == [
        "(012) 345-6", "12.50", "abc", "x"
    ]  # fmt: skip
    outcome = await fill_form(
        context, site.at(TYPES), fields={"Mail": " a@b.de ", "Moment": "2026-12-24 10:00"}
    )
    assert outcome.changed == {"Mail": "a@b.de", "Moment": "2026-12-24T10:00"}


async def test_what_the_page_cuts_or_clears_is_refused(
    context: RecordingContext, site: Site
) -> None:
    cases: tuple[tuple[dict[str, FieldValue], str], ...] = (
        ({"Half": "abcdef"}, "'Half' was given 'abcdef', but the page made 'abc'"),
        ({"Town": "Bonn", "Land": "DE"}, "'Town' was given 'Bonn', but the page made ''"),
    )
    for fields, why in cases:
        with pytest.raises(InputRefused, match=why):
            await fill_form(context, site.at(MASKS), fields=fields)


async def test_the_browsers_own_refusals_are_those_of_the_form_alone(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(
        context, site.at("/pages/forms/nameless-invalid.html"), fields={"Mail": "nonsense"}
    )
    assert not outcome.submitted
    assert outcome.invalid == {
        "First": "Please fill out this field.",
        "mail": "Please include an '@' in the email address. 'nonsense' is missing an '@'.",
    }
    outcome = await fill_form(context, site.at(TYPES), fields={"Pieces": 12})
    assert outcome.invalid == {"pieces": "Value must be less than or equal to 9."}


async def test_a_form_or_button_without_validation_sends_what_it_has(
    context: RecordingContext, site: Site
) -> None:
    outcome = await fill_form(
        context, site.at("/pages/forms/no-validation.html"), fields={"mail": "nonsense"}
    )
    assert (outcome.submitted, received(outcome)) == (True, {"mail": "nonsense"})
    outcome = await fill_form(
        context, site.at("/pages/forms/buttons.html"), fields={"City": ""}, button="Draft"
    )
    assert received(outcome)["do"] == "draft"


@pytest.mark.usefixtures("impatient")
async def test_no_error_or_result_shows_a_secret_value(
    context: RecordingContext, site: Site
) -> None:
    secret = "open-sesame"
    for path, name in (
        ("two-forms", "Code"),
        ("types", "Day"),
        ("types", "Colour"),
        ("types", "Size"),
        ("types", "Payment"),
        ("types", "News"),
        ("types", "Shown"),
        ("types", "Later"),
        ("types", "Plan"),
        ("types", "Nowhere"),
        ("masks", "Half"),
        ("dependent", "Country"),
    ):
        with pytest.raises((ValueError, RuntimeError)) as raised:
            await fill_form(
                context,
                site.at(f"/pages/forms/{path}.html"),
                fields={},
                secret_fields={name: secret},
            )
        assert secret not in "".join(traceback.format_exception(raised.value)), name
        assert repr(name) in str(raised.value)
    outcome = await fill_form(
        context, site.at("/pages/forms/nameless-invalid.html"),
        fields={"First": "x"}, secret_fields={"Mail": secret},
    )  # fmt: skip
    assert outcome.invalid == {"mail": "the browser does not accept the value"}
    outcome = await fill_form(
        context, site.at(MASKS), fields={"Town": "Bonn"}, secret_fields={"Phone": "0123456"},
        submit=False,
    )  # fmt: skip
    assert outcome.changed == {"Phone": "[redacted]"}
    assert secret not in repr(context.events) + repr(context.lines)
