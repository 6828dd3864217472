"""The workers that `make run` and `slotgrid up` start."""

from dataclasses import dataclass, field
from pathlib import Path

from slotgrid.runtime.workers_file import InventoryFault, parse_inventory

WORKERS_WITHOUT_A_FILE = 2


class WorkersFileFault(Exception):
    """The workers file cannot be used; the text names the file and each fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWorker:
    """One worker that is started on this machine.

    `entry` names its entry in the workers file, whose address the balancer dials. Without an entry
    the worker takes any free port and dials the balancer.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = field(default=None, repr=False)
    entry: str = ""


def listed_workers(file: Path) -> tuple[LocalWorker, ...] | None:
    """A worker for each loopback entry of the file; None when there is no file.

    Raises WorkersFileFault.
    """
    try:
        entries = parse_inventory(file.read_bytes())
    except FileNotFoundError:
        return None
    except InventoryFault as fault:
        raise WorkersFileFault(f"{file.name} is not valid: {fault}") from fault
    except OSError as error:
        raise WorkersFileFault(f"{file} cannot be read: {error.strerror}") from error
    here = [
        (index, entry.url, place, entry.key)
        for index, entry in enumerate(entries, 1)
        if (place := entry.on_this_machine) is not None
    ]
    return tuple(
        LocalWorker(
            name=f"worker-{number}",
            host=place[0],
            port=place[1],
            key=key,
            entry=f"entry {index} of {file.name}, {url}",
        )
        for number, (index, url, place, key) in enumerate(here, 1)
    )


def dialling_workers(count: int) -> tuple[LocalWorker, ...]:
    """`count` workers that dial the balancer."""
    return tuple(LocalWorker(name=f"worker-{number}") for number in range(1, count + 1))
