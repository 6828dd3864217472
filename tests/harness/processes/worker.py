"""A running worker, and its HTTP API as somebody outside has it."""

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

import pytest

from tests.harness.environment import KEY
from tests.harness.processes.home import Home
from tests.harness.processes.process import PATIENCE_S, Process

POLL_S = 0.02


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: Message
    text: str

    @property
    def json(self) -> dict[str, Any]:
        """The body, which is a JSON object."""
        return dict(json.loads(self.text))

    @property
    def problem(self) -> str:
        """The name of the problem that it tells."""
        return str(self.json["type"]).removeprefix("/problems/")


class RunningWorker:
    """A worker that takes tasks. Calls under way run in threads of their own."""

    def __init__(self, home: Home, process: Process, url: str, threads: ThreadPoolExecutor) -> None:
        self.home = home
        self.process = process
        self.url = url
        self.threads = threads

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = KEY,
        **headers: str,
    ) -> Reply:
        """One request, whatever its answer. `headers` are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = key
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return Reply(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, refusal.headers, refusal.read().decode())

    def get(self, path: str) -> dict[str, Any]:
        """A JSON answer that is expected."""
        reply = self.ask("GET", path)
        assert reply.status == 200, reply
        return reply.json

    def run(self, function: str, **given: object) -> Reply:
        """Run a function and wait for the answer."""
        return self.ask("POST", "/task", {"function": function, "input": given})

    def submit(self, function: str, **given: object) -> "Future[Reply]":
        """Begin to run a function; the answer comes later."""
        return self.threads.submit(self.run, function, **given)

    def until_health(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until `/health` says so."""
        give_up = time.monotonic() + PATIENCE_S
        while not holds(health := self.get("/health")):
            if time.monotonic() > give_up:
                pytest.fail(f"/health still says {health}")
            time.sleep(POLL_S)

    def until_slots(self, *, used: int, queue: int = 0) -> None:
        """Wait until so many slots are used, and so many tasks wait."""
        self.until_health(
            lambda health: (health["slots"]["used"], health["slots"]["queue"]) == (used, queue)
        )

    def until_status(self, status: str) -> None:
        """Wait until the worker is in that state."""
        self.until_health(lambda health: health["status"] == status)

    def stop(self) -> None:
        """End it as a service manager does; it ends well and leaves nothing."""
        self.process.send(signal.SIGTERM)
        self.assert_ended_well()

    def assert_ended_well(self) -> None:
        """It ends by itself, with 0, and leaves nothing."""
        assert self.process.wait() == 0, self.process.said
        self.home.assert_nothing_left()


@contextmanager
def running_worker(
    home: Home, *command: str, ends: bool = False, **env: str
) -> Iterator[RunningWorker]:
    """Start a worker and wait until it takes tasks; at the end it is stopped, unless `ends`.

    `command` is what Python is called with, instead of `-m worker`. `ends` says that the test sees
    to the end itself.
    """
    process = home.python(*(command or ("-m", "worker")), **env)
    with ThreadPoolExecutor(max_workers=8) as threads:
        try:
            port = process.until_event("worker.listening")["port"]
            worker = RunningWorker(home, process, f"http://127.0.0.1:{port}", threads)
            yield worker
            if not ends:
                worker.stop()
        finally:
            if process.runs:
                home.end_everything()  # before the threads are waited for: it ends their calls
