"""Another device, place, time zone or network."""

import json
from html import unescape
from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOK = """({
  agent: navigator.userAgent, platform: navigator.platform, language: navigator.language,
  mobile: navigator.userAgentData?.mobile ?? null,
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone, number: (1234.5).toLocaleString(),
  width: innerWidth, height: innerHeight, scale: devicePixelRatio,
  touch: navigator.maxTouchPoints,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  still: matchMedia("(prefers-reduced-motion: reduce)").matches,
  print: matchMedia("print").matches,
})"""
PHONE_PAGE = '<meta name="viewport" content="width=device-width"><p>Phone</p>'
FETCH = "fetch('/catalogue').then(answer => answer.status, () => 'no network')"


async def seen(world: World, *before: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What a page sees after these commands."""
    *_, output = await world.commands(*before, ("evaluate", {"script": LOOK}))
    found: dict[str, Any] = output.get("value", output)
    return found


async def headers(world: World, *before: tuple[str, dict[str, Any]]) -> dict[str, str]:
    """The headers that the site gets after these commands."""
    *_, opened, saved = await world.commands(
        *before, ("goto", {"url": world.site.at("/visitors/headers")}), ("save_html", {})
    )
    assert opened["status"] == 200
    html = (await world.worker.request("GET", saved["url"])).body.decode()
    found = json.loads(unescape(html.partition("<pre>")[2].partition("</pre>")[0]))
    return {name.lower(): value for name, value in found.items()}


async def test_emulate(world: World) -> None:
    emulated, _, reset = await world.example("emulate")
    assert (emulated["locale"], emulated["timezone"]) == ("fr-FR", "Europe/Paris")
    assert "iPhone" in emulated["user_agent"]
    assert set(reset.values()) == {None}


async def test_everything_holds_in_pages_and_later_tabs_and_ends_with_reset(world: World) -> None:
    natural = await seen(world, ("goto", {"url": world.site.at("/")}))
    emulate = {
        "device": "Pixel 7",
        "platform": "Linux armv8l",
        "locale": "de-DE",
        "timezone": "Asia/Tokyo",
        "color_scheme": "dark",
        "reduced_motion": "reduce",
        "media": "print",
    }
    *_, first, _, other, _, popup, _, _, restored = [
        one.get("value", one) if isinstance(one, dict) else one
        for one in await world.commands(
            ("goto", {"url": world.site.at("/pages/opens-tabs.html")}),
            ("emulate", emulate),
            ("set_content", {"html": PHONE_PAGE}),
            ("evaluate", {"script": LOOK}),
            ("new_tab", {"url": world.site.other_url + "/catalogue"}),
            ("evaluate", {"script": LOOK}),
            ("switch_tab", {"url": "popup=3"}),
            ("evaluate", {"script": LOOK}),
            ("switch_tab", {"id": "tab-1"}),
            ("emulate", {"reset": True}),
            ("evaluate", {"script": LOOK}),
        )
    ]
    assert first["width"] == 412
    for page in (first, other, popup):
        assert "Pixel 7" in page["agent"]
        assert page["scale"] == 2.625
        assert (page["mobile"], page["touch"]) == (True, 5)
        assert (page["language"], page["number"]) == ("de-DE", "1.234,5")
        assert (page["platform"], page["zone"]) == ("Linux armv8l", "Asia/Tokyo")
        assert (page["dark"], page["still"], page["print"]) == (True, True, True)
    assert restored == natural


async def test_set_viewport(world: World) -> None:
    emulated, _ = await world.example("set_viewport")
    assert (emulated["width"], emulated["height"]) == (390, 844)
    page = await seen(world, ("set_viewport", {"width": 390, "height": 844}))
    assert (page["width"], page["height"], page["scale"]) == (390, 844, 1)


async def test_set_device(world: World) -> None:
    emulated, _ = await world.example("set_device")
    assert (emulated["width"], emulated["mobile"], emulated["touch"]) == (412, True, True)
    reason = await world.failure(("set_device", {"device": "iphone 51"}))
    assert "Playwright knows no device 'iphone 51'; it knows 'iPhone" in reason


async def test_a_device_is_kept_after_a_picture_of_the_whole_page(world: World) -> None:
    page = await seen(
        world,
        ("set_device", {"device": "iPhone 15"}),
        ("set_content", {"html": PHONE_PAGE}),
        ("screenshot", {"full_page": True}),
    )
    assert (page["width"], page["scale"]) == (393, 3)


async def test_set_user_agent(world: World) -> None:
    emulated, _ = await world.example("set_user_agent")
    assert emulated["user_agent"] == "Example/1.0"
    got = await headers(world, ("set_user_agent", {"user_agent": "Example/1.0"}))
    assert got["user-agent"] == "Example/1.0"
    assert "sec-ch-ua" not in got
    assert (await seen(world, ("set_user_agent", {"user_agent": "X"})))["agent"] == "X"


async def test_set_locale(world: World) -> None:
    emulated, _ = await world.example("set_locale")
    assert emulated["locale"] == "de-DE"
    twice = (("set_locale", {"locale": "fr-FR"}), ("set_locale", {"locale": "de_DE"}))
    assert (await headers(world, *twice))["accept-language"].startswith("de-DE")
    assert (await seen(world, *twice))["number"] == "1.234,5"


async def test_set_timezone(world: World) -> None:
    emulated, _ = await world.example("set_timezone")
    assert emulated["timezone"] == "Asia/Tokyo"
    twice = (("set_timezone", {"timezone": "UTC"}), ("set_timezone", {"timezone": "Asia/Tokyo"}))
    assert (await seen(world, *twice))["zone"] == "Asia/Tokyo"
    reason = await world.failure(("set_timezone", {"timezone": "Mars/Olympus"}))
    assert "'Mars/Olympus' is no timezone that Chromium knows" in reason


async def test_set_geolocation(world: World) -> None:
    emulated, _ = await world.example("set_geolocation")
    assert (emulated["latitude"], emulated["longitude"]) == (52.52, 13.4)
    place = """new Promise((take, fail) => navigator.geolocation.getCurrentPosition(
      found => take([found.coords.latitude, found.coords.longitude, found.coords.accuracy]),
      fault => take(fault.message)))"""
    *_, output = await world.commands(
        ("set_geolocation", {"latitude": 52.52, "longitude": 13.4, "accuracy_m": 7}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("evaluate", {"script": place}),
    )
    assert "52.52, 13.4, 7" in json.dumps(output)


async def test_set_media(world: World) -> None:
    emulated, _ = await world.example("set_media")
    assert (emulated["color_scheme"], emulated["reduced_motion"]) == ("dark", "reduce")
    page = await seen(world, ("set_media", {"media": "print", "color_scheme": "dark"}))
    assert (page["dark"], page["still"], page["print"]) == (True, False, True)


async def test_set_offline(world: World) -> None:
    _, offline, online = await world.example("set_offline")
    assert (offline["offline"], online["offline"]) == (True, False)
    *_, off, _, on = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("throttle", {"preset": "wifi"}),
        ("throttle", {"preset": "offline"}),
        ("evaluate", {"script": FETCH}),
        ("set_offline", {"offline": False}),
        ("evaluate", {"script": FETCH}),
    )
    assert "no network" in json.dumps(off)
    assert "200" in json.dumps(on)


async def test_throttle(world: World) -> None:
    slow, _, fast = await world.example("throttle")
    assert slow["network"]["latency_ms"] == 562.5
    assert fast["network"]["latency_ms"] == 0
    took = f"""(async () => {{
      const began = performance.now(); await {FETCH}; return performance.now() - began
    }})()"""
    *_, slowed, _, normal = await world.commands(
        ("throttle", {"latency_ms": 700}),
        ("goto", {"url": world.site.at("/catalogue"), "settle_s": 0}),
        ("evaluate", {"script": took}),
        ("throttle", {"preset": "none"}),
        ("evaluate", {"script": took}),
    )
    slowed_ms, normal_ms = (
        one["value"] if isinstance(one, dict) else one for one in (slowed, normal)
    )
    assert slowed_ms > 650
    assert normal_ms < slowed_ms


@pytest.mark.parametrize(
    ("action", "given", "words"),
    [
        ("emulate", {"latitude": 5}, "go together"),
        ("throttle", {}, "give `preset`, or a value"),
        ("set_locale", {"locale": "not a locale"}, "/commands/0/with/locale"),
        ("set_user_agent", {"user_agent": "a\nb"}, "/commands/0/with/user_agent"),
    ],
)
async def test_bad_values_are_refused(
    world: World, action: str, given: dict[str, Any], words: str
) -> None:
    listed = [{"action": action, "with": given}]
    problem = await world.worker.problem("commands", status=400, commands=listed)
    assert words in str(problem)
