"""A call of a function whose file is broken says at a balancer, too, what is wrong with it."""

from pathlib import Path

from tests.harness.function_files import write_functions
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.waiting import until


async def test_the_fault_of_the_file_is_the_answer(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    functions = tmp_path / "functions"
    write_functions(functions)
    recipe = functions / "shop" / "look.yaml"
    recipe.parent.mkdir()
    recipe.write_text("steps: [{action: gotoo, with: {url: http://example.org/}}]")
    await balancer.worker(FUNCTIONS_DIR=functions)
    problem = await balancer.problem("shop/look", 404)
    assert "'shop/look' cannot be used, as its file has faults: line 1:" in problem["detail"]
    assert "goto" in problem["detail"]
    recipe.write_text("steps: [{action: log, with: {line: hello}}]")
    catalog = balancer.balancer.fleet.roster
    await until(lambda: catalog.find("shop/look") is not None)
    assert (await balancer.submit("shop/look")).status == 200
    recipe.write_text("steps: nothing")
    await until(lambda: catalog.fault_of("shop/look") != "")
    # The last good version goes on.
    assert (await balancer.submit("shop/look")).status == 200
