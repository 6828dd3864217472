"""The steps of `ten_steps.yaml` in Python, with Playwright and the helpers of its actions."""

from pathlib import Path
from typing import Any, cast

from slotgrid.function import Context, function
from worker.actions import data, inspecting, navigation, reading, scrolling, waiting
from worker.actions.action_context import ActionContext, StepContext
from worker.actions.extraction import FieldRule
from worker.actions.function_files import FunctionFiles


@function(timeout_s=30)
async def ten_steps_in_python(context: Context, url: str) -> dict[str, Any]:
    """Ten steps on a page, in Python."""
    files = FunctionFiles(Path())
    action = ActionContext(cast(StepContext, context), files=files, variables={})
    await navigation.goto(action, url=url, settle_s=0)
    await waiting.wait_for_selector(action, selector="table")
    page = await navigation.get_url(action)
    await reading.get_text(action, selector="td")
    await reading.query(action, selector="tr", limit=10)
    fields = {"number": FieldRule(selector="td"), "name": FieldRule(selector="td:nth-child(2)")}
    records = await reading.extract(action, selector="tr", limit=20, fields=fields)
    count = await inspecting.evaluate(action, script='document.querySelectorAll("tr").length')
    await scrolling.scroll(action, to="bottom")
    await reading.get_attribute(action, selector="html", attribute="lang")
    await data.log(action, line=f"{page.title} has {count} rows")
    return {"title": page.title, "records": records}
