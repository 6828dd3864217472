"""A worker that died without a word: the next one finds the way clear."""

import psutil
import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.worker import running_worker


def test_after_kill_9_the_next_worker_sweeps_what_was_left(home: Home) -> None:
    with running_worker(home, ends=True) as worker:
        assert worker.run("screenshot", url=f"{worker.url}/docs").status == 200
        call = worker.submit("stuck")
        worker.until_slots(used=1)
        (browser,) = worker.get("/health")["browsers"]["processes"]
        # A driver ends with its worker and takes its browser along; a stopped one cannot.
        driver = psutil.Process(browser["driver_pid"])
        driver.suspend()
        worker.process.kill()
        with pytest.raises(ConnectionError):
            call.result()
    assert driver.is_running()
    assert [*(home.data / "tmp").iterdir()] != []
    assert [*(home.data / "artifacts").iterdir()] != []
    with running_worker(home) as worker:
        (swept,) = worker.process.events("browser.swept")
        assert swept["folders"] == 1
        assert swept["processes"] >= 1
        assert not driver.is_running()
        assert list((home.data / "artifacts").glob("*")) == []
        assert worker.run("page_title", url=f"{worker.url}/docs").status == 200
