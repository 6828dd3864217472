"""Which field a name means, and why a field cannot be filled."""

import pytest

from functions.fill_form import fill_form
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.functions.form_answers import impatient, received
from tests.site.fixtures import Site
from worker.pages.errors import ElementMissing, ElementUnusable
from worker.pages.form_values import FieldValue

__all__ = ["impatient"]


async def test_a_label_means_a_field_and_never_a_landmark(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {
        "Name": "Ada", "Home town": "Bonn", "Size": "B", "postal": "Main St"
    }  # fmt: skip
    outcome = await fill_form(context, site.at("/pages/forms/landmarks.html"), fields=fields)
    assert received(outcome) == {
        "n": "Ada", "town": "Bonn", "size": "B", "post": "Main St", "work": "", "home": ""
    }  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_a_name_that_resembles_two_labels_is_refused(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(InputRefused, match=r"'phone' may mean .*'Home phone', 'Work phone'"):
        await fill_form(context, site.at("/pages/forms/landmarks.html"), fields={"phone": "1"})


async def test_a_field_that_is_given_twice_is_refused(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/pages/forms/landmarks.html")
    with pytest.raises(
        InputRefused, match=r"^'Name' and 'n' are the same field: give it once"
    ) as by:
        await fill_form(context, url, fields={"Name": "Ada", "n": "Bob"})
    assert by.value.field == "fields/Name"
    with pytest.raises(InputRefused, match=r"^'Name' is in `fields` too: give it once"):
        await fill_form(context, url, fields={"Name": "Ada"}, secret_fields={"Name": "Bob"})


@pytest.mark.usefixtures("impatient")
async def test_the_first_visible_field_of_a_name_is_meant(
    context: RecordingContext, site: Site
) -> None:
    for name in ("E-mail", "mail"):
        outcome = await fill_form(
            context, site.at("/pages/forms/twins.html"), fields={name: "a@b.de"}
        )
        assert received(outcome)["mail"] == ["", "", "", "a@b.de"]
    with pytest.raises(ElementUnusable, match=r"'Secret place' \(input\) is hidden: div\.gone has"):
        await fill_form(context, site.at("/pages/forms/twins.html"), fields={"Secret place": "x"})


async def test_boxes_and_lists_that_a_style_hides_are_set(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {
        "Opaque": True, "Gone": True, "outside": True, "Switch": True, "size": "Large",
        "Night": True, "Colour": "blue", "Under": True,
    }  # fmt: skip
    outcome = await fill_form(context, site.at("/pages/forms/styled.html"), fields=fields)
    assert received(outcome) == {
        "opaque": "on", "gone": "on", "outside": "on", "switch": "on", "size": "l",
        "night": "true", "colour": "blue", "under": "on",
    }  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_what_covers_a_box_or_the_button_is_named(
    context: RecordingContext, site: Site
) -> None:
    cases: tuple[tuple[dict[str, FieldValue], str], ...] = (
        ({"Terms": True}, r"field 'Terms' \(input\)"),
        ({"City": "Bonn"}, r"the button 'Go' \(button#go\)"),
    )
    for fields, what in cases:
        with pytest.raises(
            ElementUnusable,
            match=what + r' is covered by div#banner\.cookies\.wide "We value your privacy Accept',
        ):
            await fill_form(context, site.at("/pages/forms/overlay.html"), fields=fields)


@pytest.mark.usefixtures("impatient")
async def test_what_stands_before_the_form_is_named(context: RecordingContext, site: Site) -> None:
    for name, why in (
        ("behind-dialog", r"field 'City' \(input\) is behind dialog#login \"Please log in\""),
        ("no-clicks", r"the button 'Go' \(button\) takes no clicks: its pointer-events are none"),
    ):
        with pytest.raises(ElementUnusable, match=why):
            await fill_form(context, site.at(f"/pages/forms/{name}.html"), fields={"City": "Bonn"})


@pytest.mark.usefixtures("impatient")
async def test_a_form_that_sends_itself_is_told_from_a_missing_field(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(ElementMissing, match="'City' was filled in, and is no longer there: that"):
        await fill_form(context, site.at("/pages/forms/sends-itself.html"), fields={"City": "Bonn"})


async def test_odd_names_and_frames_do_not_hide_a_field(
    context: RecordingContext, site: Site
) -> None:
    for name in ("clobbered", "many-frames"):
        outcome = await fill_form(
            context, site.at(f"/pages/forms/{name}.html"), fields={"City": "Bonn"},
            wait_until="domcontentloaded",
        )  # fmt: skip
        assert received(outcome)["city"] == "Bonn"


@pytest.mark.usefixtures("impatient")
async def test_a_banner_is_dismissed_as_asked(context: RecordingContext, site: Site) -> None:
    outcome = await fill_form(
        context, site.at("/pages/forms/overlay.html"),
        fields={"City": "Bonn", "Terms": True}, dismiss=["No banner", "Accept all"],
    )  # fmt: skip
    assert received(outcome) == {"city": "Bonn", "terms": "on"}


@pytest.mark.usefixtures("impatient")
async def test_a_field_that_takes_nothing_is_named_with_the_reason(
    context: RecordingContext, site: Site
) -> None:
    for name, why in (
        ("Shown", "is read-only: the page sets it itself"),
        ("Later", "is disabled, as fieldset#later is"),
        ("Closed", "is hidden: it is in a closed part of the page"),
        ("Inert", "is inert, as div is"),
    ):
        with pytest.raises(ElementUnusable, match=rf"field '{name}' \(input\) {why}"):
            await fill_form(context, site.at("/pages/forms/types.html"), fields={name: "x"})


async def test_choices_and_fields_that_appear_later_are_waited_for(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {
        "Country": "Germany", "Town": "Berlin", "Kind": "Company", "Number": 5
    }  # fmt: skip
    outcome = await fill_form(context, site.at("/pages/forms/dependent.html"), fields=fields)
    assert received(outcome) == {
        "country": "Germany", "town": "Berlin", "kind": "Company", "number": "5"
    }  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_a_choice_that_never_appears_is_refused_with_those_there_are(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {"Country": "Germany", "Town": "Paris"}
    with pytest.raises(InputRefused, match="'Town' has no choice 'Paris', but 'Bonn', 'Berlin'"):
        await fill_form(context, site.at("/pages/forms/dependent.html"), fields=fields)


async def test_a_form_in_a_shadow_root_or_a_frame_is_filled_and_sent_there(
    context: RecordingContext, site: Site
) -> None:
    for path, url in (
        ("shadow.html", site.url),
        ("in-frame.html", site.url),
        ("in-frame.html?other", site.other_url),
    ):
        outcome = await fill_form(context, site.at(f"/pages/forms/{path}"), fields={"City": "Bonn"})
        assert (outcome.submitted, outcome.followed, outcome.status) == (True, "page", 200)
        assert outcome.url.startswith(f"{url}/form-cases/received")
        assert received(outcome)["city"] == "Bonn"


async def test_a_custom_element_is_filled_by_its_own_name_or_label(
    context: RecordingContext, site: Site
) -> None:
    for name in ("city", "City"):
        outcome = await fill_form(
            context, site.at("/pages/forms/custom-element.html"), fields={name: "Bonn"}
        )
        assert received(outcome) == {"city": "Bonn"}


async def test_fields_that_a_page_rebuilds_are_found_again(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, FieldValue] = {"City": "Bonn", "Street": "Main"}
    outcome = await fill_form(context, site.at("/pages/forms/rebuilt.html"), fields=fields)
    assert received(outcome) == {"city": "Bonn", "street": "Main"}


@pytest.mark.usefixtures("impatient")
async def test_a_missing_field_is_named_with_those_there_are(
    context: RecordingContext, site: Site
) -> None:
    with pytest.raises(ElementMissing, match=r"selector 'Shoe size', .*'City', 'Street'$"):
        await fill_form(context, site.at("/pages/forms/no-button.html"), fields={"Shoe size": "42"})
