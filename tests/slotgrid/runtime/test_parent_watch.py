"""A process ends with the one that started it, and only then."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from slotgrid.runtime.parent_watch import OWNER, end_with_owner

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()

CHILD = """
import os, signal, sys, time
from slotgrid.runtime.parent_watch import end_with_owner
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
end_with_owner(os.environ, by=signal.Signals(int(sys.argv[1])))
print(os.environ.get("SLOTGRID_OWNER"), os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys, time
env = {**os.environ, "SLOTGRID_OWNER": str(os.getpid())}
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], env=env)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether the process ends; a zombie has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        _, alive = psutil.wait_procs([process], timeout=10)
    except psutil.NoSuchProcess:
        return True
    return not alive or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_when_its_owner_is_killed(by: signal.Signals) -> None:
    words = [sys.executable, "-c", PARENT, CHILD, str(int(by))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        inherited, pid = parent.stdout.readline().split()
        assert inherited == "None"  # its own children have another parent
        parent.kill()
    assert gone(int(pid))


def test_a_process_whose_owner_died_before_it_could_ask_ends_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        dead.wait()
    env = {**os.environ, OWNER: str(dead.pid)}
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(int(signal.SIGKILL))],
        env=env,
        cwd=tmp_path,
        timeout=30,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL


def test_a_thread_of_the_owner_may_end() -> None:
    env = {**os.environ, OWNER: str(os.getpid())}
    words = [sys.executable, "-c", CHILD, str(int(signal.SIGKILL))]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.2)
        child.kill()


def test_what_make_runs_is_told_of_the_end_of_make(tmp_path: Path) -> None:
    recipe = re.search(r"^run: .+\n\t@(SLOTGRID_OWNER=\S+ exec) ", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    (tmp_path / "child.py").write_text(CHILD)
    words = f"{recipe[1]} {sys.executable} child.py {int(signal.SIGTERM)}"
    (tmp_path / "Makefile").write_text(f"run:\n\t@{words}\n")
    # Without what a make that runs these tests hands down: it would say which folder it enters.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env |= {"PYTHONPATH": str(ROOT)}
    env.pop("MFLAGS", None)
    with subprocess.Popen(
        ["make"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as make:
        assert make.stdout is not None
        pid = int(make.stdout.readline().split()[1])
        make.kill()
    assert gone(pid)


@pytest.mark.parametrize("owner", ["", "nobody"])
def test_without_an_owner_nothing_is_asked(owner: str) -> None:
    environ = {OWNER: owner}
    end_with_owner(environ)
    assert environ == {}
