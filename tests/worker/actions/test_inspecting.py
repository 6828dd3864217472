"""What a page is made of, and scripts in it."""

import asyncio
import re
from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(html: str) -> tuple[str, dict[str, Any]]:
    return "set_content", {"html": f"<!doctype html>{html}"}


async def test_snapshot(world: World) -> None:
    _, form = await world.example("snapshot")
    assert re.search(r'- textbox "Search" \[ref=e\d+\]', form["snapshot"])
    assert not form["truncated"]


def ref_of(snapshot: dict[str, Any], line: str) -> str:
    found = re.search(rf"{line}.*\[ref=(\w+)\]", snapshot["snapshot"])
    assert found, snapshot["snapshot"]
    return found[1]


async def test_references_of_a_snapshot_also_in_frames(world: World) -> None:
    html = (
        "<button onclick='this.textContent=1'>One</button>"
        "<iframe srcdoc=\"<button onclick='this.textContent=2'>Two</button>\"></iframe>"
    )
    _, shown = await world.commands(page(html), ("snapshot", {}))
    one, two = ref_of(shown, 'button "One"'), ref_of(shown, 'button "Two"')
    assert two.startswith("f")
    *_, last = await world.commands(
        page(html),
        ("snapshot", {}),
        ("click", {"ref": one}),
        ("click", {"ref": two}),
        ("snapshot", {}),
    )
    assert 'button "1"' in last["snapshot"]
    assert 'button "2"' in last["snapshot"]


async def test_a_reference_of_a_page_that_has_changed_is_refused(world: World) -> None:
    html = "<button>One</button><button>Two</button>"
    _, shown = await world.commands(page(html), ("snapshot", {}))
    ref = ref_of(shown, 'button "Two"')
    for change in [
        ("evaluate", {"script": "document.body.innerHTML = document.body.innerHTML"}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("snapshot", {"selector": "button >> nth=0"}),
    ]:
        failure = await world.failure(page(html), ("snapshot", {}), change, ("click", {"ref": ref}))
        assert f"has no element {ref!r} that is still there" in failure
        assert "take a new snapshot" in failure


async def test_a_snapshot_has_a_budget(world: World) -> None:
    html = "".join(f"<ul><li><button>Button {n}</button></ul>" for n in range(500))
    _, cut, none = await world.commands(
        page(html), ("snapshot", {"max_bytes": 2000}), ("snapshot", {"depth": 1})
    )
    assert cut["truncated"]
    assert len(cut["snapshot"].encode()) <= 2000
    assert cut["bytes"] > 10_000
    assert re.fullmatch(r"\s*- (list|button).* \[ref=e\d+\]:?", cut["snapshot"].splitlines()[-1])
    assert none["bytes"] < cut["bytes"]


async def test_viewport_dom(world: World) -> None:
    _, listed = await world.example("viewport_dom")
    heading = next(one for one in listed["elements"] if one["tag"] == "h1")
    assert heading["text"] == "Catalogue"
    assert heading["y"] < listed["height"]
    assert listed["count"] == len(listed["elements"]) or listed["truncated"]
    assert all(one["y"] < listed["height"] for one in listed["elements"])


async def test_every_listed_selector_finds_its_element(world: World) -> None:
    html = (
        "<main><p>one</p><p>two</p><p hidden>no</p><div id='a b'><i>x</i></div>"
        "<input name=q value=1><input type=password value=secret><svg width=9 height=9></svg>"
        "<x-a><template shadowrootmode=open><p>in</p><div><p>deep</p></div></template></x-a>"
        "<p style='position:absolute;top:5000px'>below</p><p style='visibility:hidden'>hid</p>"
        "<em style='opacity:0'>clear</em></main>"
    )
    _, listed, everything = await world.commands(
        page(html), ("viewport_dom", {}), ("viewport_dom", {"include_hidden": True})
    )
    texts = [one["text"] for one in listed["elements"] if one["text"]]
    assert texts == ["one", "two", "x", "x", "in", "deep"]
    assert "secret" not in str(listed)
    hidden = [one["text"] for one in everything["elements"] if not one["visible"]]
    assert sorted(hidden) == ["clear", "hid", "no"]
    selectors = [one["selector"] for one in everything["elements"]]
    assert len(set(selectors)) == len(selectors)
    _, *found = await world.commands(
        page(html), *[("query", {"selector": selector}) for selector in selectors]
    )
    assert [one["count"] for one in found] == [1] * len(selectors)
    assert [one["elements"][0]["tag"] for one in found] == [
        one["tag"] for one in everything["elements"]
    ]
    deep = next(one for one in listed["elements"] if one["text"] == "deep")
    assert deep["path"] == "x-a > div"


async def test_the_list_is_bounded(world: World) -> None:
    script = "<body><script>document.body.innerHTML = '<i>x</i> '.repeat(3000)</script>"
    _, listed = await world.commands(page(script), ("viewport_dom", {"max_elements": 10}))
    assert len(listed["elements"]) == 10
    assert listed["truncated"]
    assert listed["count"] > 500


async def test_evaluate(world: World) -> None:
    _, found = await world.example("evaluate")
    assert len(found) == 2
    assert found[0].endswith("no. 1")


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("1 + 1", 2),
        ("document.title", "T"),
        ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
        ("({a: 1})", {"a": 1}),
        ("const a = 2; return a * 2", 4),
        ("await new Promise(done => setTimeout(done, 10)); return 5", 5),
        ("async () => 6", 6),
        ("function () { return 7 }", 7),
        ("Promise.resolve(8);", 8),
        ("undefined", None),
        ("() => {}", None),
        ("[undefined, NaN, () => 1, -0.5]", [None, None, None, -0.5]),
        ("new Map([['a', new Set([1])]])", {"a": [1]}),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("2n ** 70n", str(2**70)),
        ("-3n", -3),
        ("[4n]", [4]),
        ("new Uint8Array([1, 2])", [1, 2]),
        ("Array.prototype.toJSON = () => 'page'; [1]", [1]),
        ("'\\ud800'", "\ufffd"),
    ],
)
async def test_values_of_scripts(world: World, script: str, value: Any) -> None:
    _, found = await world.commands(page("<title>T</title>"), ("evaluate", {"script": script}))
    assert found == value


async def test_scripts_get_arguments_and_an_element(world: World) -> None:
    html = "<p>one</p><iframe srcdoc='<p>in</p>'></iframe>"
    _, args, element, framed = await world.commands(
        page(html),
        ("evaluate", {"script": "given => given.a[0] + given.b", "args": {"a": [1], "b": 2}}),
        ("evaluate", {"script": "(one, n) => one.textContent + n", "args": 3, "selector": "p"}),
        ("evaluate", {"script": "return element.textContent", "selector": "p", "frame": "iframe"}),
    )
    assert (args, element, framed) == (3, "one3", "in")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("null.x", "the script failed: TypeError: Cannot read properties of null"),
        ("throw new Error('own words')", "own words"),
        ("Promise.reject('no')", "no"),
        ("1 +", "SyntaxError"),
        ("document.body", "it holds the node <body>: return what is needed of it"),
        ("[document.querySelectorAll('p')]", "it holds the node <p>"),
        ("const a = {}; a.a = a; return a", "it is cyclic"),
        ("window", "it holds the window"),
        ("'x'.repeat(11 * 1024 * 1024)", "larger than 10485760 characters"),
    ],
)
async def test_why_a_script_gave_no_value(world: World, script: str, words: str) -> None:
    failure = await world.failure(page("<p>x"), ("evaluate", {"script": script}))
    assert words in failure


async def test_an_endless_script_ends_at_its_limit(world: World) -> None:
    commands = [
        {"action": "set_content", "with": {"html": "<title>T</title>"}},
        {"action": "evaluate", "with": {"script": "for (;;);", "limit_s": 0.5}},
    ]
    async with asyncio.timeout(20):
        problem = await world.worker.problem("commands", commands=commands)
    assert "the script did not end: not within 0.5 s" in problem["detail"]


async def test_the_page_of_an_endless_script_answers_later_steps(world: World) -> None:
    world.worker.folder.write(
        "goes_on.py",
        """
        @function(timeout_s=30)
        async def run(context: Context) -> dict:
            endless = {"action": "evaluate", "with": {"script": "for (;;);", "limit_s": 0.3}}
            try:
                await context.call("commands", {"commands": [endless]})
            except Exception:
                pass
            step = {"action": "evaluate", "with": {"script": "1 + 1", "limit_s": 5}}
            return await context.call("commands", {"commands": [step]})
        """,
    )
    registry = world.worker.worker.registry
    await world.worker.changed(lambda: registry.runnable("goes_on") is not None)
    result = await world.worker.call("goes_on")
    assert result["commands"][0]["output"] == 2


async def test_a_script_that_leaves_the_page(world: World) -> None:
    failure = await world.failure(
        ("goto", {"url": world.site.at("/arrived")}),
        ("evaluate", {"script": "location = '/catalogue'; await new Promise(() => {})"}),
    )
    assert "the page moved on to " in failure


async def test_scripts_of_files_and_of_pages_with_a_policy(world: World) -> None:
    (world.worker.folder.path / "scripts").mkdir(exist_ok=True)
    (world.worker.folder.path / "scripts" / "title.js").write_text("n => document.title + n")
    policy = "<meta http-equiv=content-security-policy content=\"script-src 'none'\"><title>T"
    _, title, waited = await world.commands(
        page(policy),
        ("evaluate", {"file": "scripts/title.js", "args": 1}),
        ("wait_for_expression", {"expression": "document.title"}),
    )
    assert (title, waited["value"]) == ("T1", "T")
    assert "outside of" in await world.failure(("evaluate", {"file": "../../x.js"}))
    for given in ({}, {"script": "1", "file": "a.js"}):
        listed = [{"action": "evaluate", "with": given}]
        problem = await world.worker.problem("commands", 400, commands=listed)
        assert "give `script` or `file`" in problem["detail"]


async def test_a_tab_that_closes_itself_is_said_to_be_closed(world: World) -> None:
    failure = await world.failure(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("evaluate", {"script": "window.open('/catalogue'), null"}),
        ("sleep", {"seconds": 0.5}),
        ("switch_tab", {"index": 1}),
        ("evaluate", {"script": "window.close(), new Promise(() => 0)"}),
    )
    assert failure.endswith("command 4 (evaluate): the tab was closed while evaluate ran")
