"""Names that a test makes up."""

import asyncio
import socket
from dataclasses import dataclass, field

from worker.guard.rules import AddrInfo


@dataclass
class Names:
    """Fulfils `Resolve`: each answer is used once, the last one for ever; other names do not exist.

    Addresses and `localhost` are resolved as the machine does.
    """

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        self.asked.append(host)
        if (answers := self.answers.get(host)) is not None:
            found = answers.pop(0) if len(answers) > 1 else answers[0]
        elif host.endswith(".test"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        else:
            found = [host]
        loop = asyncio.get_running_loop()
        each = [await loop.getaddrinfo(one, port, type=socket.SOCK_STREAM) for one in found]
        return [(*info,) for infos in each for info in infos]
