"""A task of a balancer in a real browser: its answer does not wait for the cleaning of its slot."""

from pathlib import Path

from slotgrid.wire import messages as m
from tests.harness.environment import KEY
from tests.harness.in_process.worker import running_worker
from tests.harness.peers.fake_balancer import Conversation, dialled

FUNCTIONS = {
    "visits.py": """
        @function(timeout_s=30)
        async def visits(context: Context) -> str:
            page = await context.page()
            await page.set_content("<title>hello</title>")
            return await page.title()
    """
}


async def freed_after(balancer: Conversation, done: m.Done) -> m.Report:
    return await balancer.hears(m.Report, lambda report: report.seq > done.seq and report.used == 0)


async def test_the_end_comes_first_and_the_slot_when_its_context_is_closed(tmp_path: Path) -> None:
    async with running_worker(tmp_path, FUNCTIONS, SLOTS=1) as worker:
        async with dialled(worker.url, KEY, boot="b1") as balancer:
            for _ in range(3):
                done = await balancer.outcome(balancer.offer("visits"))
                assert isinstance(done, m.Done), done
                assert bytes(done.result) == b'"hello"'
                # The slot is not said to be free before its context is closed.
                assert done.free == {"default": 0}
                freed = await freed_after(balancer, done)
                assert freed.free == {"default": 1}
        await worker.idle()
