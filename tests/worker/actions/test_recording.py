"""Recordings and traces: moving frames, and what happens to the page meanwhile."""

import io
import json
import zipfile
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageSequence

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def gif_of(world: World, saved: dict[str, Any]) -> list[Image.Image]:
    """The frames of a recording, as a viewer shows them; their times are in `info`."""
    answer = await world.worker.request("GET", saved["url"])
    assert answer.status == 200, answer.body
    with Image.open(io.BytesIO(answer.body)) as gif:
        assert gif.format == "GIF"
        return [frame.copy() for frame in ImageSequence.Iterator(gif)]


def red_at(frame: Image.Image) -> int | None:
    """The left edge of what is red."""
    red, green, blue = frame.convert("RGB").split()
    mask = ImageChops.subtract(red, ImageChops.lighter(green, blue)).point(
        lambda value: 255 if value > 150 else 0
    )
    box = mask.getbbox()
    return None if box is None else box[0]


async def test_record_start(world: World) -> None:
    *_, saved = await world.example("record_start")
    assert saved["name"] == "visit.gif"
    assert saved["content_type"] == "image/gif"
    frames = await gif_of(world, saved)
    assert len(frames) == saved["frames"] >= 2
    assert ImageChops.difference(frames[0].convert("RGB"), frames[-1].convert("RGB")).getbbox()


async def test_record_stop(world: World) -> None:
    *_, saved = await world.example("record_stop")
    assert saved["frames"] >= 1
    assert not saved["truncated"]


async def test_frames_move_and_take_as_long_as_they_were_shown(world: World) -> None:
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/pages/moving.html")}),
        ("record_start", {"fps": 5, "width": 400}),
        ("sleep", {"seconds": 2}),
        ("record_stop", {}),
    )
    frames = await gif_of(world, saved)
    assert frames[0].size == (400, 225)
    places = [red_at(frame) for frame in frames]
    assert len(set(places)) >= 5, places
    assert 4 <= len(frames) <= 12
    times = [frame.info["duration"] for frame in frames]
    assert abs(sum(times) - saved["duration_ms"]) <= 20 * len(times)
    assert 1500 <= saved["duration_ms"] <= 6000


async def test_a_page_that_never_changes_has_one_frame_for_the_whole_time(world: World) -> None:
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("record_start", {}),
        ("sleep", {"seconds": 1}),
        ("record_stop", {}),
    )
    (frame,) = await gif_of(world, saved)
    assert saved["frames"] == 1
    assert frame.info["duration"] >= 900


async def test_what_the_tab_shows_at_the_end_is_the_last_frame(world: World) -> None:
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/pages/moving.html?still")}),
        ("record_start", {"fps": 1}),
        ("sleep", {"seconds": 0.3}),
        ("goto", {"url": world.site.at("/pages/moving.html?still&red"), "settle_s": 0}),
        ("record_stop", {}),
    )
    frames = await gif_of(world, saved)
    assert red_at(frames[0]) is None
    assert red_at(frames[-1]) is not None
    assert frames[-1].info["duration"] >= 500


async def test_it_goes_on_across_documents_of_other_origins(world: World) -> None:
    *_, saved = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("record_start", {"fps": 10}),
        ("goto", {"url": world.site.other_url + "/pages/moving.html"}),
        ("sleep", {"seconds": 1}),
        ("record_stop", {}),
    )
    places = {red_at(frame) for frame in await gif_of(world, saved)}
    assert None in places
    assert len(places) >= 4


async def test_the_most_frames_and_the_longest_time_end_it(world: World) -> None:
    page = ("goto", {"url": world.site.at("/pages/moving.html")})
    *_, few = await world.commands(
        page,
        ("record_start", {"fps": 10, "max_frames": 3}),
        ("sleep", {"seconds": 1.5}),
        ("record_stop", {}),
    )
    assert few["frames"] == 3
    assert few["truncated"]
    *_, short = await world.commands(
        page,
        ("record_start", {"max_duration_s": 0.5}),
        ("sleep", {"seconds": 2}),
        ("record_stop", {}),
    )
    assert short["truncated"]
    assert short["duration_ms"] < 1500


async def test_it_is_saved_when_the_task_fails(world: World) -> None:
    commands = [
        {"action": "goto", "with": {"url": world.site.at("/pages/moving.html")}},
        {"action": "record_start", "with": {}},
        {"action": "sleep", "with": {"seconds": 0.5}},
        {"action": "fail", "with": {"message": "no offer"}},
    ]
    problem = await world.worker.problem("commands", commands=commands)
    task = await world.worker.task(problem["task_id"])
    saved = {one["name"]: one for one in task["artifacts"]}
    assert await gif_of(world, saved["recording.gif"])


async def test_it_is_saved_when_the_page_crashes(world: World) -> None:
    commands = [
        {"action": "goto", "with": {"url": world.site.at("/pages/moving.html")}},
        {"action": "record_start", "with": {}},
        {"action": "sleep", "with": {"seconds": 1}},
        {"action": "call", "with": {"function": "crashing"}},
    ]
    world.worker.folder.write(
        "crashing.py",
        "from slotgrid.function import Context, function\n\n\n"
        "@function()\n"
        "async def crashing(context: Context) -> None:\n"
        '    """Crash the tab."""\n'
        "    page = await context.page()\n"
        '    await page.goto("chrome://crash")\n',
    )
    await world.worker.reload()
    problem = await world.worker.problem("commands", 500, commands=commands)
    assert problem["type"] == "/problems/browser-crashed"
    task = await world.worker.task(problem["task_id"])
    saved = {one["name"]: one for one in task["artifacts"]}
    assert len(await gif_of(world, saved["recording.gif"])) >= 2


async def test_one_at_a_time_and_none_to_stop(world: World) -> None:
    assert "no recording is running" in await world.failure(("record_stop", {}))
    failure = await world.failure(("record_start", {}), ("record_start", {}))
    assert "a recording is running; end it with record_stop" in failure


async def test_trace_start(world: World) -> None:
    *_, saved = await world.example("trace_start")
    assert saved["name"] == "visit.zip"
    answer = await world.worker.request("GET", saved["url"])
    with zipfile.ZipFile(io.BytesIO(answer.body)) as trace:
        lines = trace.read("trace.trace").splitlines()
    assert any("/catalogue" in json.dumps(json.loads(line)) for line in lines)


async def test_trace_stop(world: World) -> None:
    *_, saved = await world.example("trace_stop")
    assert saved["name"] == "trace.zip"
    assert "no trace is running" in await world.failure(("trace_stop", {}))


async def test_a_trace_and_a_har_file_at_once(world: World) -> None:
    *_, har, trace = await world.commands(
        ("trace_start", {}),
        ("har_start", {}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("har_stop", {}),
        ("trace_stop", {}),
    )
    assert har["entries"] > 1
    assert trace["size"] > 1000


async def test_a_task_that_is_traced_for_its_failure_has_no_other_trace(world: World) -> None:
    world.worker.folder.write(
        "traced.py",
        "from slotgrid.function import Context, function\n\n\n"
        '@function(on_failure=("trace",))\n'
        "async def traced(context: Context) -> None:\n"
        '    """Trace twice."""\n'
        '    await context.call("commands", {"commands": [{"action": "trace_start"}]})\n',
    )
    await world.worker.reload()
    problem = await world.worker.problem("traced")
    assert "the function's `on_failure` has `trace`" in problem["detail"]


async def test_it_is_saved_when_the_task_is_cancelled(world: World) -> None:
    submitted = await world.worker.start(
        "commands",
        commands=[
            {"action": "goto", "with": {"url": world.site.at("/pages/moving.html")}},
            {"action": "record_start", "with": {}},
            {"action": "emit", "with": {"kind": "ready"}},
            {"action": "sleep", "with": {"seconds": 600}},
        ],
    )
    await submitted.says("ready")
    answer = await world.worker.request("POST", f"/tasks/{submitted.task.id}/cancel")
    assert answer.status == 200
    await submitted.ended()
    assert "recording.gif" in submitted.task.artifacts


RECORDED = """
from pathlib import Path

from slotgrid.function import Context, function
from worker.actions.action_context import ActionContext
from worker.actions.function_files import FunctionFiles
from worker.actions.recorder import Recorder, RecordOptions


@function()
async def recorded(context: Context, url: str, *, fails: bool = False) -> None:
    \"\"\"Record a step.\"\"\"
    action = ActionContext(context, files=FunctionFiles(Path(".")), variables={})
    async with Recorder(action, "open", RecordOptions(width=300)):
        await (await action.page()).goto(url)
        if fails:
            raise ValueError("no offer")
"""


@pytest.mark.parametrize("fails", [False, True])
async def test_a_step_is_recorded_and_an_event_names_the_file(world: World, fails: bool) -> None:
    world.worker.folder.write("recorded.py", RECORDED)
    await world.worker.reload()
    url = world.site.at("/pages/moving.html")
    submitted = await world.worker.start("recorded", url=url, fails=fails)
    event = await submitted.says("recording")
    assert event == {
        "text": "open: open.gif",
        "data": {"path": "open.gif", "step": "open", "ok": not fails},
    }
    if fails:
        assert "no offer" in (await submitted.problem(500))["detail"]
    else:
        await submitted.result()
    saved = {"url": f"/tasks/{submitted.task.id}/artifacts/open.gif"}
    frames = await gif_of(world, saved)
    assert frames[0].width == 300
