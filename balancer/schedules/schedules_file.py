"""`schedules.yaml`: a list of schedules, read again when it changes; a bad one changes nothing."""

from pathlib import Path

import structlog

from balancer.schedules.schedule import Schedule
from slotgrid.core.errors import InvalidSubmission
from slotgrid.runtime.regular_file import read_regular_file
from slotgrid.steps.yaml_text import YamlFault, parse

log = structlog.get_logger()

FAULTS_SHOWN = 20


class SchedulesFault(ValueError):
    """The file cannot be used; the text has all faults, each with its line."""


def parse_schedules(content: bytes) -> tuple[Schedule, ...]:
    """The schedules of a file. Raises SchedulesFault."""
    try:
        document = parse(content)
    except YamlFault as fault:
        raise SchedulesFault(f"line {fault.line}: {fault.message}") from fault
    given = [] if document.value is None else document.value
    if not isinstance(given, list):
        raise SchedulesFault("expected a list of schedules, each with `name`, `cron`, `function`")
    found: dict[str, Schedule] = {}
    faults: list[str] = []
    for index, item in enumerate(given):
        try:
            schedule = Schedule.parse(item, from_file=True)
        except InvalidSubmission as invalid:
            for one in invalid.errors:
                line = document.line(f"/{index}{one.pointer}")
                of = one.pointer.removeprefix("/").replace("/", ".")
                faults.append(f"line {line}: {f'`{of}` ' if of else ''}{one.message}")
            continue
        if schedule.name in found:
            line = document.line(f"/{index}/name")
            faults.append(f'line {line}: the name "{schedule.name}" is here twice')
        found[schedule.name] = schedule
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise SchedulesFault("; ".join(faults[:FAULTS_SHOWN]) + more)
    return tuple(found.values())


class SchedulesFile:
    """The last good list of one file; `fault` describes the fault of the current file.

    `entries` is None as long as there was no file: another node may have one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self.entries: tuple[Schedule, ...] | None = None
        self.fault: str | None = None

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the list has changed."""
        signature = _signature(self._path)
        if self._seen == signature:
            return False
        self._seen = signature
        try:
            entries: tuple[Schedule, ...] | None = parse_schedules(read_regular_file(self._path))
        except FileNotFoundError:
            entries = None if self.entries is None else ()
        except (SchedulesFault, OSError) as error:
            if isinstance(error, OSError):
                self._seen = None  # an unchanged file may become readable
            if self.fault != str(error):
                self.fault = str(error)
                log.warning(
                    "schedules.kept_the_last_good_list", file=str(self._path), fault=self.fault
                )
            return False
        if self.fault is not None:
            log.info("schedules.file_is_good_again", file=str(self._path))
        self.fault = None
        if entries == self.entries:
            return False
        self.entries = entries
        log.info("schedules.read", file=str(self._path), schedules=len(entries or ()))
        return True


def _signature(path: Path) -> tuple[int, ...]:
    """Identifies a version of the file; empty if `stat` fails."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
