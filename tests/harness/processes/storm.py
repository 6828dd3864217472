"""Callers and faults at random against a fleet of real processes, from one seed."""

import asyncio
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.harness.calls import GIVE_UP_S
from tests.harness.environment import KEY
from tests.harness.processes.nodes import Node, Nodes

SLOTS = 3
FAULTS = ("kill", "stop", "stop for long", "drain", "switch")
MODES = ("sync", "sync", "async", "stream")
ALLOWED = {200, 202, 502, 503, 504}
"""And 500 for the function that fails, or an answer that never came because its caller left."""


@dataclass
class Seen:
    """What callers were told. `wrong` is what nobody should be told, or never heard."""

    answers: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Storm:
    """A fleet of balancers and workers, whose workers are killed, stopped, drained, switched."""

    def __init__(self, started: Nodes, balancers: list[Node], *, seed: int) -> None:
        self._started = started
        self._balancers = balancers
        self._seed = seed
        self.workers: list[Node] = []
        self.seen = Seen()

    async def blow(self, *, workers: int, callers: int, rounds: int) -> None:
        """Start the workers; then callers, and so often every fault; then all workers are well."""
        for number in range(workers):
            self.workers.append(await self._worker(number))
        await self._until_all_ready()
        breaking = asyncio.create_task(self._break(rounds))
        await asyncio.gather(breaking, *(self._call(n, breaking) for n in range(callers)))
        await self._until_all_ready()

    async def _worker(self, number: int) -> Node:
        return await self._started.worker(f"worker-{number}", *self._balancers, SLOTS=SLOTS)

    async def _until_all_ready(self) -> None:
        for balancer in self._balancers:
            await balancer.until_ready_workers(len(self.workers))

    async def _break(self, rounds: int) -> None:
        chance = random.Random(self._seed)
        for fault in chance.sample(FAULTS * rounds, k=len(FAULTS) * rounds):
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            number = chance.randrange(len(self.workers))
            worker = self.workers[number]
            match fault:
                case "kill":
                    worker.process.kill()
                    await asyncio.sleep(chance.uniform(0, 2))
                    self.workers[number] = await self._worker(number)
                case "stop":
                    await self._stop(worker, chance.uniform(0.1, 1.5))
                case "stop for long":  # longer than three heartbeats: it counts as lost
                    await self._stop(worker, chance.uniform(3.5, 6))
                case "drain":
                    worker.process.send(signal.SIGTERM)
                    assert await asyncio.to_thread(worker.process.wait) == 0
                    self.workers[number] = await self._worker(number)
                case "switch":
                    await worker.request("POST", "/off")
                    await asyncio.sleep(chance.uniform(0, 1))
                    await worker.request("POST", "/on")

    async def _stop(self, worker: Node, seconds: float) -> None:
        worker.process.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.process.send(signal.SIGCONT)

    async def _call(self, number: int, breaking: asyncio.Task[None]) -> None:
        chance = random.Random(f"{self._seed} {number}")
        async with ClientSession(
            headers={"Authorization": KEY}, timeout=ClientTimeout(total=GIVE_UP_S)
        ) as caller:
            while not breaking.done():
                body = _submission(chance)
                url = f"{chance.choice(self._balancers).url}/task"
                patience_s = chance.uniform(0.01, 0.5) if chance.random() < 0.15 else None
                try:
                    async with asyncio.timeout(patience_s), caller.post(url, json=body) as answer:
                        self._note(body, answer.status, await answer.read())
                except TimeoutError:
                    if patience_s is None:
                        self.seen.wrong.append(f"never answered: {body}")
                    self.seen.answers["left"] += 1
                except ClientError as fault:
                    self.seen.wrong.append(f"{fault!r}: {body}")

    def _note(self, body: dict[str, Any], status: int, text: bytes) -> None:
        seen, function = self.seen, body["function"]
        seen.answers[f"{body['mode']} {status}"] += 1
        if status == 202:
            seen.accepted[orjson.loads(text)["id"]] = function
        if status not in ALLOWED and not (status == 500 and function == "fail"):
            seen.wrong.append(f"{status} {text!r}: {body}")
        if body["mode"] == "stream" and status == 200:
            ends = text.count(b"event: done") + text.count(b"event: error")
            if ends != 1:
                seen.wrong.append(f"{ends} ends of a stream: {body}")


def _submission(chance: random.Random) -> dict[str, Any]:
    function, given = chance.choice(
        (
            ("echo", {"value": chance.random()}),
            ("nap", {"seconds": chance.uniform(0.01, 0.6)}),
            ("sure_nap", {"seconds": chance.uniform(0.01, 0.4)}),
            ("talk", {"pieces": chance.randint(1, 30), "pause_s": 0.01}),
            ("fail", {}),
        )
    )
    mode = chance.choice(MODES)
    if mode == "stream" and function in {"sure_nap", "fail"}:
        mode = "sync"
    body = {"function": function, "input": given, "mode": mode, "priority": chance.randint(1, 9)}
    return body | ({"wait_s": chance.uniform(0.05, 1)} if chance.random() < 0.1 else {})
