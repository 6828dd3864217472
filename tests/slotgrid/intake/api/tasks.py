"""Tasks to do things with."""

from tests.harness.in_process.node import RunningNode


async def ended(node: RunningNode, function: str, input_: object = None) -> str:
    """The id of a task that has ended, well or not."""
    body = {"function": function, "input": input_ or {}}
    async with node.caller.post("/task", json=body) as answer:
        found = await answer.json(content_type=None)
    return str(found.get("id") or found["task_id"])


async def ids(node: RunningNode, **filters: str) -> list[str]:
    return [task["id"] for task in (await node.get("/tasks", **filters))["tasks"]]
