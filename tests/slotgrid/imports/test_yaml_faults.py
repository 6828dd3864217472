"""Steps and inputs of webtasks' YAML that cannot be translated, each named by what is wrong."""

import pytest

from tests.slotgrid.imports.test_webtask import imported, left_out, steps

GOTO = "{run: goto, params: {url: 'http://a.example/'}}"


def faults(step: str, head: str = "") -> list[str]:
    """What is left out of a task with this step and one that is fine."""
    text = f"name: a\n{head}flow:\n  - {step}\n  - {GOTO}\n"
    return [message for _, message in left_out(imported(text))]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{run: goto}", "it has no `url`"),
        ("{run: goto, params: {url: 'ftp://x.example/'}}", "is no address that a task may open"),
        ("{run: wait}", "it has no `duration`"),
        ("{run: wait, params: {duration: soon}}", "is no number of milliseconds"),
        ("{run: html-to-pdf}", "it has neither `html` nor `file`"),
        ("{run: html-to-pdf, params: {file: page.html}}", "put it beside the recipe"),
        ("{run: goto, params: [1]}", "`params` is no object"),
        ("{walk: goto}", "the step has no `run`"),
        ("{run: goto, colour: red, params: {url: 'http://a.example/'}}", "`colour`"),
        ("{run: loop, do: 7, params: {while: 'x'}}", "is no list"),
        (
            "{run: extract, as: r, params: {selector: .r, fields: {a: {kind: attr}}}}",
            "does not name its attribute",
        ),
        (
            "{run: extract, as: r, params: {selector: .r, fields: {a: {kind: sound}}}}",
            "is of an unknown kind",
        ),
        (
            "{run: extract, as: r, params: {selector: .r, "
            "fields: {a: {kind: text, selector: b, transform: reverse}}}}",
            "`transform: reverse` of the field `a`",
        ),
        ("{run: extract, as: r, params: {repeat: true, fields: {a: {kind: text}}}}", "`selector`"),
    ],
)
def test_a_step_that_cannot_be_translated_is_named(step: str, said: str) -> None:
    found = faults(step)
    assert any(said in message for message in found), found


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("timeoutMs: soon\n", "`timeoutMs` is no number"),
        ("input: [a]\n", "`input` is no object"),
        ("input: {a: string}\n", "the input `a` has no type"),
        ("input: {a: {type: string, colour: red}}\n", "`colour`"),
        ("colour: red\n", "`colour`"),
    ],
)
def test_a_head_that_cannot_be_translated_is_named(head: str, said: str) -> None:
    found = faults(GOTO, head)
    assert any(said in message for message in found), found


def test_a_page_given_in_its_address_is_set_as_content() -> None:
    (step,) = steps("{run: goto, params: {url: 'data:text/html,<h1>Hi%20you</h1>'}}")
    assert step["action"] == "set_content"
    assert step["with"] == {"html": "<h1>Hi you</h1>"}


@pytest.mark.parametrize(
    ("given", "selector"),
    [
        ("text: 'a \"b\"', selector: li", ':is(li):text-is("a \\"b\\"")'),
        ("text: 'a', selector: li, match: contains", ':is(li):has-text("a")'),
    ],
)
def test_a_click_by_text_within_a_selector(given: str, selector: str) -> None:
    (step,) = steps(f"{{run: action, params: {{action: click, {given}}}}}")
    assert step["with"]["selector"].startswith(selector)


def test_html_with_a_style_becomes_a_pdf_and_records_of_html_fields_stay() -> None:
    made, rows = steps(
        "{run: html-to-pdf, as: p, params: {html: '<p>x', css: 'p{}', format: A4, path: x.pdf}}",
        "{run: extract, as: r, params: {selector: .r, repeat: true, "
        "fields: {a: {kind: html, selector: b}, c: {kind: const, value: 7}}}}",
    )
    assert made["with"]["css"] == "p{}"
    assert rows["with"]["fields"] == {"a": {"selector": "b", "kind": "html"}, "c": {"const": 7}}
