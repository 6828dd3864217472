"""`DATA_DIR` is removed under a running node: it is noticed and said, and the node goes on."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.harness.processes.every_mode import under
from tests.harness.processes.nodes import nodes
from tests.harness.processes.postgres import Postgres


@pytest.mark.parametrize("kind", ["worker", "balancer"])
async def test_without_its_database_file_a_node_says_so_until_it_is_put_back(
    tmp_path: Path, kind: str
) -> None:
    async with nodes(tmp_path) as started, under(started, kind, tmp_path) as fault:
        await fault.works_again()
        data, aside = tmp_path / "node" / "data", tmp_path / "aside"
        data.rename(aside)
        assert await fault.submit() == 503
        assert "DATA_DIR" in fault.refused[-1]["detail"]
        assert (await fault.node.request("GET", "/tasks")).status == 503
        assert await fault.node.call("echo", value=1) == 1
        durable = (await fault.node.get("/health"))["durable"]
        assert durable["database"] == "unavailable"
        assert str(data) in durable["reason"]
        assert (await fault.node.request("GET", "/readyz")).status == 200
        assert fault.node.process.until_event("data_folder.removed")["folder"] == str(data)
        assert len(fault.events("database.unavailable")) == 1
        data.mkdir()  # as something else that needs the folder would: it is not the one
        assert await fault.submit() == 503
        data.rmdir()
        aside.rename(data)
        fault.keys = dict.fromkeys(fault.keys, "")
        await fault.works_again()
        fault.node.process.until_event("data_folder.back")
        assert len(fault.events("database.unavailable")) == 1


async def test_a_node_whose_folder_is_gone_for_good_begins_anew_at_its_restart(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        async with under(started, "worker", tmp_path) as fault:
            assert await fault.submit() == 202
            shutil.rmtree(tmp_path / "node" / "data")
            assert await fault.submit() == 503
            fault.node.process.send(signal.SIGTERM)
            assert fault.node.process.wait() == 0, fault.node.process.said
        async with under(started, "worker", tmp_path) as fault:
            await fault.works_again()


async def test_on_postgresql_the_folder_is_made_again(
    tmp_path: Path, shared_server: Postgres
) -> None:
    url = shared_server.create_database()
    async with (
        nodes(tmp_path) as started,
        under(started, "worker", tmp_path, DATABASE_URL=url) as fault,
    ):
        data = tmp_path / "node" / "data"
        shutil.rmtree(data)
        fault.node.process.until_event("data_folder.back")
        assert (data / "lock").exists()
        await fault.works_again()
