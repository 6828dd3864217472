"""Mouse, keyboard, and the fields of forms."""

from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(html: str) -> tuple[str, dict[str, Any]]:
    return "set_content", {"html": html}


def shown(selector: str) -> tuple[str, dict[str, Any]]:
    return "get_text", {"selector": selector}


SAY = "<p id=said></p><script>const say = what => { said.textContent += what + ';' }</script>"


async def test_click(world: World) -> None:
    _, clicked = await world.example("click")
    assert clicked["url"] == world.site.at("/catalogue?page=2")
    assert clicked["navigated"]
    assert clicked["loaded"]
    assert clicked["matches"] == 1


@pytest.mark.parametrize(
    "target",
    [
        {"selector": "button.go"},
        {"selector": "text=Save"},
        {"selector": "button:has-text('Save')"},
        {"selector": "//button[@class='go']"},
        {"selector": "role=button[name=Save]"},
        {"text": "Save"},
        {"text": "save", "closest": "button"},
        {"role": "button", "name": "Save"},
    ],
)
async def test_the_ways_to_name_an_element(world: World, target: dict[str, Any]) -> None:
    *_, said = await world.commands(
        page(
            SAY + "<button hidden class=go onclick='say(0)'>Save</button>"
            "<button class=go onclick='say(1)'><span>Save</span></button>"
            "<p>Do not save this</p>"
        ),
        ("click", target),
        shown("#said"),
    )
    assert said["text"] == "1;"


async def test_closest_takes_the_first_match_that_has_such_an_ancestor(world: World) -> None:
    html = SAY + "<p>Save it</p><label onclick='say(1)'><i><b>Save</b> all</i></label>"
    *_, said = await world.commands(
        page(html), ("click", {"text": "Save", "closest": "label"}), shown("#said")
    )
    assert said["text"] == "1;"


async def test_a_whole_text_goes_before_one_that_contains_it(world: World) -> None:
    html = SAY + "<button onclick='say(1)'>Save as</button><button onclick='say(2)'>Save</button>"
    *_, said = await world.commands(
        page(html), ("click", {"role": "button", "name": "Save"}), shown("#said")
    )
    assert said["text"] == "2;"


async def test_clicks_of_every_kind(world: World) -> None:
    html = (
        SAY + "<button style='position:fixed;left:100px;top:100px;width:50px;height:50px' onclick="
        "'say(`${event.detail}${event.ctrlKey ? `c` : ``}${event.offsetX}`)' "
        "oncontextmenu='say(`right`);event.preventDefault()'>B</button>"
    )
    *_, said = await world.commands(
        page(html),
        ("click", {"selector": "button", "count": 2, "x": 5, "y": 5}),
        ("click", {"x": 110, "y": 110, "modifiers": ["ctrl"]}),
        ("click", {"selector": "button", "button": "right"}),
        shown("#said"),
    )
    assert said["text"] == "15;25;1c8;right;"


async def test_elements_in_shadow_roots_and_nested_frames(world: World) -> None:
    inner = "<button onclick='this.textContent=1'>In</button>".replace("'", "&#39;")
    html = (
        "<x-a><template shadowrootmode=open><button id=deep onclick='this.textContent=2'>Deep"
        "</button></template></x-a>"
        f'<iframe id=outer srcdoc="<iframe id=inner srcdoc=&quot;{inner.replace("&", "&amp;")}'
        '&quot;></iframe>"></iframe>'
    )
    *_, deep, framed = await world.commands(
        page(html),
        ("click", {"selector": "#deep"}),
        ("click", {"role": "button", "name": "In", "frame": ["#outer", "#inner"]}),
        shown("#deep"),
        ("get_text", {"selector": "button", "frame": ["#outer", "#inner"]}),
    )
    assert (deep["text"], framed["text"]) == ("2", "1")
    failure = await world.failure(page(html), ("click", {"text": "In", "timeout_s": 1}))
    assert "one is in the frame about:srcdoc: give its selector in `frame`" in failure
    failure = await world.failure(
        page(html), ("click", {"text": "In", "frame": "#deep", "timeout_s": 1})
    )
    assert "'#deep' (`frame`) is no iframe" in failure


@pytest.mark.parametrize(
    ("html", "given", "words"),
    [
        ("<i>x</i>", {"selector": "b", "timeout_s": 0.1}, "no element with selector 'b' was there"),
        (
            "<b hidden>x</b>",
            {"selector": "b", "timeout_s": 0.1},
            "none of the 1 elements with selector 'b' is visible",
        ),
        ("<button disabled>x</button>", {"role": "button", "timeout_s": 0.3}, "is disabled"),
        (
            "<button>x</button><div id=veil style='position:fixed;inset:0'>",
            {"text": "x", "timeout_s": 0.5},
            'is covered by <div id="veil">: dismiss that first',
        ),
        ("<b>x</b>", {"text": "x", "closest": "label", "timeout_s": 0.5}, "in no element that"),
        ("", {}, "give `selector`, `text`, `role` or `ref`, or the place `x` and `y`"),
        ("", {"x": 1}, "give `x` and `y` together"),
        ("", {"selector": "a", "text": "b"}, "`selector` and `text` are given: give one of them"),
        ("", {"selector": "a", "name": "b"}, "goes with `role`"),
        ("", {"ref": "e12"}, "take a new snapshot"),
        ("", {"ref": "f7e12"}, "take a new snapshot"),
    ],
)
async def test_why_an_element_was_not_clicked(
    world: World, html: str, given: dict[str, Any], words: str
) -> None:
    listed = [{"action": "set_content", "with": {"html": html}}, {"action": "click", "with": given}]
    answer = await world.worker.submit("commands", input={"commands": listed})
    assert words in answer.json["detail"]


async def test_a_page_that_moves_on_later_and_slowly_is_followed(world: World) -> None:
    slow = (
        "<button onclick=\"fetch('/arrived?delay_s=0.8').then(() => "
        "{ location = '/catalogue?delay_s=0.7' })\">Go</button>"
    )
    *_, clicked, there = await world.commands(
        ("goto", {"url": world.site.at("/arrived")}),
        page(slow),
        ("click", {"text": "Go"}),
        ("get_url", {}),
    )
    assert clicked["navigated"]
    assert there["title"] == "Catalogue, page 1"


async def test_a_link_of_a_page_without_scripts_that_answers_slowly(world: World) -> None:
    *_, clicked = await world.commands(
        ("goto", {"url": world.site.at("/arrived")}),
        page("<a href='/catalogue?delay_s=1'>Go</a>"),
        ("click", {"text": "Go", "timeout_s": 0.5}),
    )
    assert (clicked["navigated"], clicked["loaded"]) == (True, True)
    assert clicked["url"].endswith("/catalogue?delay_s=1")


async def test_a_link_that_leads_nowhere_fails_with_the_reason(world: World) -> None:
    failure = await world.failure(
        page("<a href='http://nowhere.invalid/'>Go</a>"), ("click", {"text": "Go"})
    )
    assert "http://nowhere.invalid/ cannot be opened: " in failure


async def test_new_tabs_and_closed_ones_are_told(world: World) -> None:
    *_, opened = await world.commands(
        ("goto", {"url": world.site.at("/pages/popups.html")}), ("click", {"selector": "#open"})
    )
    assert (opened["new_tabs"], opened["navigated"], opened["closed"]) == (5, False, False)


async def test_a_click_that_opens_a_dialog_ends(world: World) -> None:
    *_, said = await world.commands(
        ("goto", {"url": world.site.at("/pages/dialogs.html")}),
        ("click", {"selector": "#confirm"}),
        shown("#answer"),
    )
    assert said["text"] == "false"


async def test_hover(world: World) -> None:
    _, after = await world.example("hover")
    assert not after["navigated"]
    *_, said = await world.commands(
        page("<b onmouseenter='say(1)'>x</b>" + SAY), ("hover", {"text": "x"}), shown("#said")
    )
    assert said["text"] == "1;"


async def test_move(world: World) -> None:
    assert await world.example("move") is not None
    *_, said = await world.commands(
        page(SAY + "<script>let n = 0; onmousemove = event => { n += 1; said.textContent = "
             "`${n} ${event.clientX} ${event.clientY}` }</script>"),
        ("move", {"x": 30, "y": 40, "steps": 4}),
        shown("#said"),
    )  # fmt: skip
    assert said["text"] == "4 30 40"


async def test_drag(world: World) -> None:
    await world.example("drag")
    *_, value = await world.commands(
        page("<input type=range min=0 max=100 value=50 style='width:400px'>"),
        ("drag", {"selector": "input", "to": {"dx": 100}}),
        ("evaluate", {"script": "Number(document.querySelector('input').value)"}),
    )
    assert 70 <= value <= 80


async def test_dragging_onto_an_element_drops_there(world: World) -> None:
    html = (
        SAY + "<div draggable=true ondragstart=\"event.dataTransfer.setData('text', 'card')\">Card"
        "</div><div id=list style='height:100px' ondragover='event.preventDefault()' "
        "ondrop=\"say(event.dataTransfer.getData('text'))\">List</div>"
    )
    *_, said = await world.commands(
        page(html), ("drag", {"text": "Card", "to": {"selector": "#list"}}), shown("#said")
    )
    assert said["text"] == "card;"


async def test_type(world: World) -> None:
    _, typed = await world.example("type")
    assert typed["value"] == "Ada Lovelace"


async def test_typing_goes_on_where_the_text_ends_or_replaces_it(world: World) -> None:
    html = "<input value=ab><div contenteditable>x<b>y</b></div><input type=password value=p>"
    _, at_end, instead, edited, hidden = await world.commands(
        page(html),
        ("type", {"selector": "input", "text": "cd é😀"}),
        ("type", {"selector": "input", "text": "new", "clear": True}),
        ("type", {"selector": "div", "text": "z"}),
        ("type", {"selector": "[type=password]", "text": "w"}),
    )
    assert at_end["value"] == "abcd é😀"
    assert instead["value"] == "new"
    assert edited["value"] == "xyz"
    assert hidden["value"] is None


async def test_typing_into_the_focus_also_in_a_frame(world: World) -> None:
    frame = '<iframe srcdoc="<input autofocus>"></iframe>'
    *_, typed, read = await world.commands(
        page(frame),
        ("click", {"selector": "input", "frame": "iframe"}),
        ("type", {"text": "hello"}),
        ("evaluate", {"script": "document.querySelector('iframe').contentDocument"
                                ".querySelector('input').value"}),
    )  # fmt: skip
    assert (typed["value"], read) == ("hello", "hello")
    failure = await world.failure(page("<p>x"), ("type", {"text": "lost"}))
    assert "no element has the focus" in failure


async def test_press(world: World) -> None:
    *_, pressed = await world.example("press")
    assert pressed["navigated"]
    assert pressed["url"] == world.site.at("/search?q=lamp")


@pytest.mark.parametrize(
    ("key", "modifiers", "seen"),
    [
        ("Control+A", [], "a:ctrl"),
        ("a", ["ctrl", "shift"], "A:ctrl,shift"),
        ("esc", [], "Escape:"),
        ("F5", [], "F5:"),
        ("Control++", [], "+:ctrl"),
        ("A", [], "A:"),
        ("ü", [], "ü:"),
    ],
)
async def test_keys(world: World, key: str, modifiers: list[str], seen: str) -> None:
    script = """<input autofocus><script>onkeydown = event => {
      if (["Control", "Shift"].includes(event.key)) return;
      event.preventDefault();
      said.textContent = `${event.key}:${["ctrl", "shift"].filter(one => event[one + "Key"])}`;
    }; oninput = event => { said.textContent = event.data + ":" }</script>"""
    *_, said = await world.commands(
        page(SAY + script), ("press", {"key": key, "modifiers": modifiers}), shown("#said")
    )
    assert said["text"] == seen


async def test_an_unknown_key_names_the_nearest(world: World) -> None:
    failure = await world.failure(page("<p>x"), ("press", {"key": "Control+Entr"}))
    assert "there is no key 'Entr', did you mean 'Enter'?" in failure


async def test_xpath_as_developer_tools_write_it(world: World) -> None:
    html = "<p>a</p><p>b</p>"
    _, whole, second = await world.commands(
        page(html),
        ("get_text", {"selector": "/html/body/p[1]"}),
        ("get_text", {"selector": "(//p)[2]", "timeout_s": 0}),
    )
    assert (whole["text"], second["text"]) == ("a", "b")


async def test_a_click_without_a_wait_for_the_element(world: World) -> None:
    *_, said = await world.commands(
        page(SAY + "<button onclick='say(1)'>B</button>"),
        ("click", {"selector": "button", "timeout_s": 0}),
        shown("#said"),
    )
    assert said["text"] == "1;"


async def test_typing_needs_an_element_that_takes_the_focus(world: World) -> None:
    failure = await world.failure(
        page("<input autofocus><p>x</p>"), ("type", {"selector": "p", "text": "lost"})
    )
    assert "takes no text: it cannot have the focus" in failure


async def test_a_click_on_a_file_stays_on_the_page(world: World) -> None:
    *_, clicked, there = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("click", {"text": "price list"}),
        ("get_url", {}),
    )
    assert not clicked["navigated"]
    assert there["url"] == world.site.at("/catalogue")


@pytest.mark.parametrize(
    "html",
    [
        "<a href=/catalogue target=_blank>Go</a>",
        "<a href=/catalogue target=_blank rel=noopener>Go</a>",
        "<form action=/catalogue target=_blank><button>Go</button></form>",
        "<button onclick=\"window.open('/catalogue?delay_s=0.5')\">Go</button>",
    ],
)
async def test_a_new_tab_is_counted_however_it_is_opened(world: World, html: str) -> None:
    *_, clicked = await world.commands(
        ("goto", {"url": world.site.at("/arrived")}), page(html), ("click", {"text": "Go"})
    )
    assert (clicked["new_tabs"], clicked["navigated"]) == (1, False)


async def test_a_click_with_a_modifier_opens_a_tab(world: World) -> None:
    *_, clicked = await world.commands(
        ("goto", {"url": world.site.at("/arrived")}),
        page("<a href=/catalogue>Go</a>"),
        ("click", {"text": "Go", "modifiers": ["ctrl"]}),
    )
    assert clicked["new_tabs"] == 1


async def test_a_page_that_is_busy_with_a_click_says_so(world: World) -> None:
    failure = await world.failure(
        page("<button onclick='for (;;);'>Go</button>"), ("click", {"text": "Go", "timeout_s": 1})
    )
    assert "about:blank did not answer, its scripts keep it busy" in failure


async def test_a_busy_page_does_not_hold_up_the_error(world: World) -> None:
    failure = await world.failure(
        ("set_content", {"html": "<p hidden>x</p>", "settle_s": 0}),
        ("evaluate", {"script": "setTimeout(() => { for (;;); }, 1000)"}),
        ("sleep", {"seconds": 1.5}),
        ("get_text", {"selector": "p", "timeout_s": 0.3}),
    )
    assert "no element with selector 'p' was there within 0.3 s" in failure
