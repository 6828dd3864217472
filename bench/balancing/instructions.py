"""`python -m bench.balancing.instructions`: counts the interpreter's work in a balancer for a task.

Bytecode instructions by module, as `bench.instructions` counts them for a worker, compared with
aiohttp's client as a reverse proxy. Balancer and link are complete; the worker at the other end
is a fake that answers at once, and is not counted.
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass

import msgspec
from aiohttp import WSMsgType, web

from balancer.app import Balancer
from bench.balancing import crowd, proxy
from bench.instructions import REQUESTS, SHOWN, counted, main, short
from bench.processes import KEY, started
from slotgrid.core.node_state import NodeState
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import BALANCER_DEFAULTS, Settings
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import encode, from_worker
from slotgrid.wire.link import Link
from slotgrid.wire.message_parts import System

SLOTS = 32


@dataclass(frozen=True)
class Frame:
    """A message of a WebSocket."""

    data: bytes
    type: WSMsgType = WSMsgType.TEXT
    extra: object = None


class Worker:
    """Fake worker in place of the link's WebSocket: each task starts and ends at once."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(m.FromBalancer)
        self._said: list[Frame] = []
        self._waiting: asyncio.Future[None] | None = None
        self._seq = 0

    async def receive(self) -> Frame:
        while not self._said:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._said.pop(0)

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None:
        for task in self._decoder.decode_lines(message) if opcode is WSMsgType.TEXT else ():
            if isinstance(task, m.TaskMessage):
                result = msgspec.Raw(encode(task.input["value"]))
                self.say(
                    m.Started(id=task.id, slot=0, free={"default": SLOTS - 1}, seq=self.seq()),
                    m.Done(id=task.id, result=result, free={"default": SLOTS}, seq=self.seq()),
                )

    async def close(self) -> bool:
        return True

    def say(self, *messages: m.Message) -> None:
        self._said.append(Frame(b"\n".join(map(encode, messages))))
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def seq(self) -> int:
        self._seq += 1
        return self._seq

    def hello(self) -> m.Hello:
        free = {"default": SLOTS}
        return m.Hello(
            protocol=m.PROTOCOL,
            version="0",
            name="worker",
            boot="1",
            group="default",
            contract=1,
            slots=SLOTS,
            pools=free,
            functions=(msgspec.structs.replace(crowd.FUNCTION, name="echo"),),
            report=m.Report(seq=self.seq(), status="ready", free=free, used=0, system=System()),
        )


async def of_a_balancer(folder: str, logs: LogRing, redactor: Redactor) -> Counter[str]:
    """Instructions of the balancer by module."""
    environ = {"AUTH_KEY": KEY, "DATA_DIR": folder, "WORKERS_FILE": f"{folder}/workers.json"}
    settings = Settings.from_env(environ, defaults=BALANCER_DEFAULTS)
    balancer = Balancer(settings, logs=logs, redactor=redactor, drain=lambda _: None)
    balancer.status.move_to(NodeState.READY)
    app = balancer.application()
    app.cleanup_ctx.clear()  # no dialling, no durable tasks
    worker = Worker()
    link = Link(worker, from_worker(), cut=lambda: None, peer="worker")
    serving = asyncio.create_task(balancer.links.serve(link, listed=None))
    worker.say(worker.hello())
    while balancer.links.session("worker") is None:  # noqa: ASYNC110  no event
        await asyncio.sleep(0.01)
    counts = await counted(app)
    serving.cancel()
    await asyncio.wait({serving})
    del counts[__file__]
    return counts


async def of_a_proxy() -> Counter[str]:
    """Instructions of the bare reverse proxy by module."""
    async with started("bench.echo") as echo:
        os.environ["UPSTREAM"] = f"http://127.0.0.1:{echo.port}"
        app = web.Application()
        app.cleanup_ctx.append(proxy.upstream)
        app.add_routes([web.post("/task", proxy.forward)])
        return await counted(app)


async def run(folder: str, logs: LogRing, redactor: Redactor) -> None:
    """Count both, and print the difference."""
    with_us, without = await of_a_balancer(folder, logs, redactor), await of_a_proxy()
    print(f"a task {with_us.total() // REQUESTS}, the proxy {without.total() // REQUESTS}\n")
    for name, count in with_us.most_common(SHOWN):
        print(f"{count // REQUESTS:6} {short(name)}")


if __name__ == "__main__":
    main(run)
