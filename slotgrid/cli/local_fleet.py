"""Runs a balancer and its workers as processes: starts, restarts, and ends them in order."""

import json
import secrets
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from slotgrid.cli.child import Child
from slotgrid.cli.local_workers import (
    WORKERS_WITHOUT_A_FILE,
    LocalWorker,
    WorkersFileFault,
    dialling_workers,
    listed_workers,
)
from slotgrid.cli.ports import PortRefused, Ports, is_listening
from slotgrid.runtime.settings import BALANCER_DEFAULTS, Settings

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound
LOCAL_DEFAULTS = {"PORT": BALANCER_DEFAULTS["PORT"]}
"""The defaults of a balancer, except for DATA_DIR, which is the parent folder of all nodes."""
NO_FILE = "no-workers.json"
"""The name of a missing file, which counts as an empty list."""
READY_WITHIN_S = 180.0
POLL_S = 0.1


class NotReady(Exception):
    """The fleet did not start; the text is the reason, `advice` the remedy.

    `status` is the exit status: 2 for a configuration fault, for which a retry does not help.
    """

    def __init__(
        self,
        what: str,
        advice: str = "Its last log line, above, has the reason.",
        *,
        status: int = 2,
    ) -> None:
        super().__init__(what)
        self.advice = advice
        self.status = status


class LocalFleet:
    """A balancer on the port of `settings`, and its workers, as processes of this machine.

    There is one worker for each loopback entry of WORKERS_FILE, which the balancer dials. With
    `count`, or without that file, `count` or two workers take free ports and dial the balancer;
    with `count` the balancer does not read the file either.

    `settings` are the settings of the folder `cwd`, read with LOCAL_DEFAULTS.
    Raises NotReady for a file that cannot be used.
    """

    def __init__(self, settings: Settings, *, cwd: Path, count: int | None = None) -> None:
        try:
            listed = listed_workers(cwd / settings.workers_file) if count is None else None
        except WorkersFileFault as fault:
            raise NotReady(
                f"{fault}", advice="Correct it; `slotgrid up --workers N` starts without it."
            ) from fault
        self._local = (
            dialling_workers(count or WORKERS_WITHOUT_A_FILE) if listed is None else listed
        )
        host = EVERY_ADDRESS.get(settings.host, settings.host)
        self._bind = settings.host
        self._port = settings.port or _free_port(settings.host)
        self._host = host
        self.address = (
            f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"
        )
        self._auth_key = settings.auth_key
        self._ending = 0
        data = settings.data_dir
        # The link's key: its own, else the callers' key, else a generated one.
        key = settings.balancer_key or settings.auth_key or secrets.token_urlsafe(32)
        balancer_data = data / Path(BALANCER_DEFAULTS["DATA_DIR"]).name
        own = {"BALANCER_KEY": key, "PORT": str(self._port), "DATA_DIR": str(balancer_data)}
        if count is not None:
            own["WORKERS_FILE"] = str(balancer_data / NO_FILE)
        self._balancer = Child("balancer", "balancer", own, cwd=cwd)
        self._workers = [
            Child(worker.name, "worker", self._settings_of(worker, key, data), cwd=cwd)
            for worker in self._local
        ]

    @property
    def workers(self) -> int:
        """Number of workers of the fleet."""
        return len(self._workers)

    def _settings_of(self, worker: LocalWorker, key: str, data: Path) -> dict[str, str]:
        return {
            "BALANCER_KEY": worker.key or key,
            "HOST": worker.host,
            "PORT": str(worker.port),
            "NODE_NAME": _node_name(worker),
            "DATA_DIR": str(data / worker.name),
            "BALANCER_URL": "" if worker.entry else self.address,
        }

    @property
    def _children(self) -> list[Child]:
        return [self._balancer, *self._workers]

    def check_ports(self) -> None:
        """Raise NotReady if a port is taken: a foreign process there would count as our node."""
        with Ports() as ports:
            try:
                ports.hold(self._bind, self._port, name="the balancer of this fleet")
            except PortRefused as refused:
                raise NotReady(
                    f"the balancer cannot listen on {self._bind}:{self._port}: {refused}",
                    advice="Stop the process that listens there, or set another PORT.",
                ) from refused
            for worker in self._local:
                if worker.entry:
                    _hold(ports, worker)

    def start(self) -> None:
        """Start the processes, and handle signals: a request to end this process ends them all.

        The side that is dialled starts first: the balancer if workers dial it, else the workers;
        `wait_until_ready` then starts the balancer. Raises NotReady as `check_ports` does.
        """
        self.check_ports()
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, self._end_requested)
        listed = any(worker.entry for worker in self._local)
        for child in self._workers if listed else self._children:
            child.start()

    def wait_until_ready(self) -> None:
        """Wait until every worker is ready. Raises NotReady, after all processes have ended."""
        give_up = time.monotonic() + READY_WITHIN_S
        while not self._ready():
            ended = [child for child in self._children if child.status is not None]
            late = time.monotonic() > give_up
            if not ended and not late and not self._ending:
                time.sleep(POLL_S)
                continue
            self._end()
            if self._ending:
                raise SystemExit(0)
            if not ended:
                raise NotReady(
                    f"not every worker was ready within {READY_WITHIN_S:.0f} s", status=1
                )
            status = ended[0].wait()
            raise NotReady(
                f"{ended[0].name} ended with {status} before it was ready",
                status=2 if status == 2 else 1,
            )

    def stay(self, echo: Callable[[str], None]) -> int:
        """Restart ended processes until a signal ends the fleet; returns the exit status."""
        while not self._ending:
            for child in self._children:
                child.keep_alive(echo)
            time.sleep(POLL_S)
        return self._end()

    def _end(self) -> int:
        """End the balancer first: its accepted tasks still need the workers."""
        statuses = []
        for group in ([self._balancer], self._workers):
            children = [child for child in group if child.started]
            for child in children:
                child.request_end()
            asked = self._ending
            while any(child.status is None for child in children):
                if self._ending > asked:  # a second signal: the nodes cancel their tasks
                    asked = self._ending
                    for child in children:
                        child.request_end()
                time.sleep(POLL_S)
            statuses += [child.wait() for child in children]
        return max(statuses, default=0)

    def _end_requested(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending += 1

    def _ready(self) -> bool:
        """Whether every worker is ready, as the balancer reports; starts a waiting balancer."""
        if not self._balancer.started:
            if all(is_listening(worker.host, worker.port) for worker in self._local):
                self._balancer.start()
            return False
        names = self._ready_names()
        return names is not None and names >= {_node_name(worker) for worker in self._local}

    def _ready_names(self) -> set[str] | None:
        """Names of the workers that are ready; None while the balancer does not answer.

        Without a key the balancer lists no workers: all count as ready when it is ready.
        """
        path = "/workers?limit=1000&status=ready" if self._auth_key else "/readyz"
        request = urllib.request.Request(  # noqa: S310  our own address
            f"{self.address}{path}",
            headers={"Authorization": self._auth_key} if self._auth_key else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                if not self._auth_key:
                    return {_node_name(worker) for worker in self._local}
                workers: list[dict[str, Any]] = json.load(response)["workers"]
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError, KeyError):
            return None
        return {worker["name"] for worker in workers}


def _hold(ports: Ports, worker: LocalWorker) -> None:
    """Raises NotReady, which names the entry and the remedy."""
    try:
        ports.hold(worker.host, worker.port, name=worker.entry)
    except PortRefused as refused:
        raise NotReady(
            f"{worker.entry}: {refused}",
            advice=(
                "Stop the process that listens there, or give the entry another port; "
                "`slotgrid up --workers N` starts workers on free ports."
                if refused.taken
                else "Set an address and a port of this machine that this user may listen on."
            ),
        ) from refused


def _node_name(worker: LocalWorker) -> str:
    return f"{socket.gethostname()}-{worker.name}"


def _free_port(host: str) -> int:
    """A free port. Raises NotReady if no process can listen on the host."""
    with Ports() as ports:
        try:
            return ports.hold(host, 0, name="")
        except PortRefused as refused:
            raise NotReady(
                f"the balancer cannot listen on {host}: {refused}", advice="Correct HOST."
            ) from refused
