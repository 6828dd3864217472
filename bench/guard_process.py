"""`python -m bench.guard_process`: the traffic guard of a worker, alone in a process."""

import asyncio
import json

import uvloop

from slotgrid.net.addresses import AddressPolicy
from worker.guard import context_guard
from worker.guard.guard import Guard


async def serve() -> None:
    """Print the port as JSON, and serve until the process is ended."""
    context_guard.MAX_CONNECTIONS = 2000  # this one context stands for several
    policy = AddressPolicy.parse("127.0.0.0/8")
    guard = Guard(policy, node_port=0, limit=None, on_refused=lambda _: None)
    async with guard.running():
        print(json.dumps({"port": int(guard.server.rpartition(":")[2])}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
