"""A function's isolation at a balancer: its worker refuses a pool of another kind."""

from pathlib import Path

from tests.harness.in_process.balancer import running_balancer

STATES = """
from slotgrid.function import Context, function


@function({})
async def f(context: Context) -> int:
    return 1
"""


async def test_a_pool_of_another_isolation_is_refused_by_the_worker(tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text("default: {size: 1}\nkept: {size: 1, isolation: persistent}\n")
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "states.py").write_text(STATES.format("isolation='context'"))
    (functions / "takes.py").write_text(STATES.format("pool='kept'"))
    async with running_balancer(tmp_path) as balancer:
        await balancer.worker(POOLS_FILE=file, SLOTS=2, FUNCTIONS_DIR=functions, CHROMIUM_PATH="")
        listed = (await balancer.get("/functions"))["functions"]
        assert {one["name"]: one["isolation"] for one in listed if one["kind"] == "python"} == {
            "states": "context",
            "takes": "persistent",
        }
        assert await balancer.call("states") == 1
        problem = await balancer.problem("states", 400, place={"pool": "kept"})
        assert problem["error"] == (
            '/place/pool: the function "states" states the isolation context, '
            'but the pool "kept" is of isolation persistent'
        )
        answer = await balancer.submit("takes", place={"pool": "default"})
        assert answer.json["result"] == 1
