"""A worker-like process: `python -m tests.worker.browser.boot <temp dir>`.

It starts one browser, opens a context, prints what a test wants to know as one line of JSON, then
waits. A line on its standard input makes it work in its page once more; SIGTERM ends it in order.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan


async def main(temp_dir: Path) -> None:
    """Runs until SIGTERM; SIGINT is heard and ignored, as during a drain."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: _say({"heard": "SIGINT"}))
    browsers = Browsers(LaunchPlan(), count=1, slots=1, temp_dir=temp_dir)
    async with browsers.running():
        task = await browsers.context()
        [browser] = browsers.stats().browsers
        _say({"chromium": browser.pid, "driver": browser.driver_pid, "boot": browsers.boot_id})
        lines: asyncio.Queue[str] = asyncio.Queue()
        loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
        while not ended.is_set():
            line = asyncio.ensure_future(lines.get())
            end = asyncio.ensure_future(ended.wait())
            await asyncio.wait({line, end}, return_when=asyncio.FIRST_COMPLETED)
            if line.done():
                _say({"answer": await task.page.evaluate("6 * 7")})
            line.cancel()
            end.cancel()
        loop.remove_reader(sys.stdin)
        await task.close()


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
