"""A task's id names a folder at its worker: nothing but a UUID is taken for one."""

from pathlib import Path

import pytest

from slotgrid.wire import messages as m
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.message_parts import Claim, SourceInfo
from tests.harness.environment import KEY
from tests.harness.peers.fake_balancer import dialled, linked

UUID = "01a22c1a-c830-7683-a935-539553d37b16"
FUNCTIONS = {
    "saves.py": """
        @function(timeout_s=30)
        async def saves(context: Context) -> str:
            await context.save("file.txt", "content")
            return "saved"
    """,
}


@pytest.mark.parametrize(
    "task_id", ["", "..", "../../x", "/{outside}", UUID.upper(), f"{UUID}\n", f"{UUID}/x", "a" * 32]
)
async def test_a_task_whose_id_is_no_uuid_ends_the_link_and_touches_no_file(
    tmp_path: Path, task_id: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text("precious")
    task_id = task_id.replace("/{outside}", str(outside))
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        balancer.link.send(
            m.TaskMessage(
                id=task_id,
                function="saves",
                contract=1,
                owner="somebody",
                source=SourceInfo(kind="api"),
                timeout_s=5.0,
                created_at=1.0,
            )
        )
        ending = await balancer.ending()
        assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
        assert (outside / "file.txt").read_text() == "precious"
        artifacts = worker.worker.settings.data_dir / "artifacts"
        assert not artifacts.exists() or not [*artifacts.iterdir()]
        async with dialled(worker.url, KEY, boot="b2") as again:
            assert isinstance(await again.outcome(again.offer("saves", id=UUID)), m.Done)
        assert (artifacts / UUID / "file.txt").read_text() == "content"


async def test_claims_and_questions_name_tasks_by_uuids_too(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        balancer.link.send(m.Ask(ask="q", what="artifact", task="..", name="file.txt"))
        assert (await balancer.ending()).code == CloseCode.PROTOCOL
        async with dialled(worker.url, KEY) as other:
            await other.hello()
            other.welcome("b2", Claim(id="../x"))
            assert (await other.ending()).code == CloseCode.PROTOCOL
