"""Recipes on real pages: options of the browser, recordings, the tab that recipes share."""

from textwrap import dedent
from typing import Any

import pytest

from tests.worker.actions.conftest import World, world

__all__ = ["world"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def add(world: World, name: str, text: str) -> None:
    (world.worker.folder.path / f"{name}.yaml").write_text(dedent(text))
    await world.worker.reload()
    assert not [one for one in world.worker.worker.registry.broken if name in one.path]


async def cook(world: World, name: str, text: str, **given: Any) -> tuple[Any, Any]:
    """The result of a recipe, and the record of its task."""
    await add(world, name, text)
    submitted = await world.worker.start(name, fields={"mode": "stream"}, **given)
    answer = await submitted.answer()
    task = await world.worker.task(submitted.task.id)
    assert task["status"] == "completed", task["error"]
    return task["result"], {**task, "events": answer.body.decode()}


async def test_the_browser_block_opens_the_context_with_its_options(world: World) -> None:
    result, _ = await cook(
        world,
        "as_phone",
        """
        input: {site: string, language: string}
        browser: {locale: "{{ input.language }}", viewport: {width: 400, height: 300}}
        steps:
          - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
          - {name: seen, action: evaluate, with: {script: "[navigator.language, innerWidth]"}}
        return: "{{ steps.seen.output }}"
        """,
        site=world.site.url,
        language="de-CH",
    )
    assert result == ["de-CH", 400]


async def test_a_recipe_works_on_in_the_tab_of_the_one_that_calls_it(world: World) -> None:
    await add(
        world,
        "where_am_i",
        """
        steps: [{name: here, action: get_url}]
        return: "{{ steps.here.output.url }}"
        """,
    )
    result, task = await cook(
        world,
        "caller",
        """
        input: {site: string}
        setup: where_am_i
        steps:
          - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
          - {name: asked, action: call, with: {function: where_am_i}}
        return: ["{{ steps.asked.output }}", "{{ steps.setup.output }}"]
        """,
        site=world.site.url,
    )
    assert result == [world.site.at("/catalogue"), "about:blank"]
    names = [step["name"] for step in task["steps"]]
    assert names[-3:] == ["asked", "where_am_i-5", "where_am_i-5.here"], names


async def test_a_step_is_recorded(world: World) -> None:
    _, task = await cook(
        world,
        "recorded",
        """
        input: {site: string}
        steps:
          - name: look
            record: {fps: 5}
            steps:
              - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
              - {action: evaluate, with: {script: "scrollTo(0, 500)"}}
              - {action: sleep, with: {seconds: 0.4}}
        """,
        site=world.site.url,
    )
    assert "event: recording" in task["events"]
    picture = await world.worker.artifact(task["id"], "look.gif")
    assert picture.startswith(b"GIF89a")


async def test_a_failure_leaves_a_picture_and_what_was_started_is_saved(world: World) -> None:
    await add(
        world,
        "fails_late",
        """
        input: {site: string}
        steps:
          - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
          - {action: record_start}
          - {action: sleep, with: {seconds: 0.3}}
          - {action: wait_for_selector, with: {selector: "#nowhere", timeout_s: 0.2}}
        """,
    )
    problem = await world.worker.problem("fails_late", site=world.site.url)
    assert "step wait_for_selector (wait_for_selector, line 7)" in problem["detail"]
    assert "#nowhere" in problem["detail"]
    listed = await world.worker.get(f"/tasks/{problem['task_id']}/artifacts")
    names = {one["name"] for one in listed["artifacts"]}
    assert "failure.png" in names
    assert any(name.endswith(".gif") for name in names), names


async def test_what_commands_started_ends_with_the_task_whoever_calls_them(world: World) -> None:
    world.worker.folder.write(
        "calls_commands.py",
        """
        @function(timeout_s=30)
        async def calls_commands(context: Context, url: str) -> None:
            commands = [
                {"action": "goto", "with": {"url": url}},
                {"action": "record_start"},
                {"action": "sleep", "with": {"seconds": 0.3}},
            ]
            await context.call("commands", {"commands": commands})
        """,
    )
    await world.worker.reload()
    submitted = await world.worker.start("calls_commands", url=world.site.at("/catalogue"))
    assert await submitted.result() is None
    listed = await world.worker.get(f"/tasks/{submitted.task.id}/artifacts")
    assert [one["content_type"] for one in listed["artifacts"]] == ["image/gif"]


async def test_a_large_output_shows_no_secret_in_its_artifact(world: World) -> None:
    _, task = await cook(
        world,
        "large_secret",
        """
        input: {key: {type: string, secret: true}}
        steps: [{name: large, action: set, with: {text: "{{ 'x' * 70000 }}{{ input.key }}"}}]
        return: done
        """,
        key="a-key-that-nobody-sees",
    )
    kept = await world.worker.artifact(task["id"], "large.json")
    assert b"a-key-that-nobody-sees" not in kept


async def test_a_called_recipe_gets_its_browser_options_or_an_error(world: World) -> None:
    await add(
        world,
        "in_french",
        """
        browser: {locale: fr-FR}
        steps: [{name: language, action: evaluate, with: {script: navigator.language}}]
        return: "{{ steps.language.output }}"
        """,
    )
    result, _ = await cook(
        world,
        "calls_french",
        """
        steps: [{name: called, action: call, with: {function: in_french}}]
        return: "{{ steps.called.output }}"
        """,
    )
    assert result == "fr-FR"
    await add(
        world,
        "calls_french_late",
        """
        input: {site: string}
        steps:
          - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
          - {name: called, action: call, with: {function: in_french}}
        """,
    )
    problem = await world.worker.problem("calls_french_late", site=world.site.url)
    assert "the task's browser context has other options already" in problem["detail"]
