"""Open and closed loads, each answer with its times."""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import orjson

from bench.load import OK, Connection, connections
from bench.processes import Server

LOOPBACK = "127.0.0.1"
READY = 64
"""Connections opened before the first request; more are opened on demand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 200, with its times of request and arrival in monotonic seconds."""

    asked: float
    answered: float
    body: bytes

    @property
    def latency_ms(self) -> float:
        """Time between request and arrival, in milliseconds."""
        return (self.answered - self.asked) * 1000

    def json(self) -> Any:
        """The parsed body."""
        return orjson.loads(self.body)


def poisson(per_s: float, count: int) -> Iterator[float]:
    """`count` arrival times, in seconds from the start; the same ones in each run."""
    chance, at = random.Random(1), 0.0
    for _ in range(count):
        at += chance.expovariate(per_s)
        yield at


async def by_the_clock(
    server: Server, requests: Sequence[bytes], times: Iterable[float]
) -> list[Answer]:
    """An open load: send each request at its time, independent of answers.

    Returns the answers in no order. Raises RuntimeError for another status than 200.
    """
    loop = asyncio.get_running_loop()
    answers: list[Answer] = []
    async with connections(server, READY) as opened:
        idle = list(opened)

        async def put(request: bytes) -> None:
            if idle:
                connection = idle.pop()
            else:
                _, connection = await loop.create_connection(Connection, LOOPBACK, server.port)
                opened.append(connection)
            answer = await _ask(connection, request)
            answers.append(answer)
            idle.append(connection)

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for request, at in zip(requests, times, strict=True):
                await asyncio.sleep(began + at - time.monotonic())
                group.create_task(put(request))
    return answers


async def one_after_the_other(
    server: Server, requests: Iterable[bytes], *, clients: int
) -> list[Answer]:
    """A closed load: each client sends its next request when it has its answer."""
    waiting = iter(requests)
    answers: list[Answer] = []

    async def client(connection: Connection) -> None:
        for request in waiting:
            answer = await _ask(connection, request)
            answers.append(answer)

    async with connections(server, clients) as opened, asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(client(connection))
    return answers


def percentile(values: Sequence[float], percent: int) -> float:
    """The value at that percentile."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


async def _ask(connection: Connection, request: bytes) -> Answer:
    asked = time.monotonic()
    status, body = await connection.ask(request)
    answered = time.monotonic()
    if status != OK:
        raise RuntimeError(f"the server answered {status}: {body.decode(errors='replace')}")
    return Answer(asked, answered, body)
