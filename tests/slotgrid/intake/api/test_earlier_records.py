"""Records of earlier versions: what they lack is shown with its default."""

import orjson
import sqlalchemy as sa
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.records.tables import tasks
from tests.harness.in_process.node import running_node

NEW = ("action", "worker", "input")


async def test_a_step_without_the_newer_members_has_their_defaults(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        assert node.durability is not None
        database = node.durability.database
        body = {"function": "steps", "mode": "async"}
        async with node.caller.post("/task", json=body) as answer:
            task_id = str((await answer.json())["id"])
        await node.get(f"/tasks/{task_id}", wait_s="20")
        node.history.remove(task_id)
        row = tasks.c.id == task_id

        def rewrite(connection: sa.Connection) -> None:
            recorded = connection.execute(sa.select(tasks.c.detail).where(row)).scalar_one()
            detail = orjson.loads(recorded)
            for step in detail["steps"]:
                for name in NEW:
                    del step[name]
            earlier = orjson.dumps(detail).decode()
            connection.execute(tasks.update().where(row).values(detail=earlier))

        await database.write(rewrite)
        [step] = (await node.get(f"/tasks/{task_id}"))["task"]["steps"]
        assert (step["name"], step["status"], step["output"]) == ("greet-1", "completed", "done")
        assert {name: step[name] for name in NEW} == dict.fromkeys(NEW)
