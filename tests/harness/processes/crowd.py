"""Many callers at once: `python -m tests.harness.processes.crowd URL KEY COUNT`.

Prints one line of JSON: for each caller `[status, result or problem type, Retry-After]`. A process
of its own, as each connection takes a file at either end, and so that caller and worker do not
wait for each other's event loop.
"""

import asyncio
import json
import sys

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.harness.open_files import allow_open_files


async def main(url: str, key: str, count: int) -> None:
    allow_open_files(count + 500)
    async with ClientSession(
        url,
        headers={"Authorization": key},
        timeout=ClientTimeout(total=100),
        connector=TCPConnector(limit=0),
    ) as session:

        async def call(number: int) -> tuple[int, object, str | None]:
            body = {"function": "quick", "input": {"number": number}}
            async with session.post("/task", json=body) as response:
                answer = await response.json(content_type=None)
                said = answer["result"] if response.status == 200 else answer["type"]
                return response.status, said, response.headers.get("Retry-After")

        print(json.dumps(await asyncio.gather(*(call(number) for number in range(count)))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
