"""`schedules.yaml`: a list of schedules, read again when it changes; a bad one changes nothing."""

from functools import partial
from pathlib import Path

import structlog

from balancer.schedules.schedule import Schedule
from slotgrid.runtime.last_good_file import LastGoodFile
from slotgrid.steps.yaml_list import YamlListFault, parse_list

log = structlog.get_logger()

SchedulesFault = YamlListFault


def parse_schedules(content: bytes) -> tuple[Schedule, ...]:
    """The schedules of a file. Raises SchedulesFault."""
    return parse_list(
        content,
        partial(Schedule.parse, from_file=True),
        what="a list of schedules, each with `name`, `cron`, `function`",
    )


class SchedulesFile(LastGoodFile[tuple[Schedule, ...]]):
    """The last good list of one file.

    `value` is None as long as there was no file: another node may have one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, parse_schedules, empty=(), kind="schedules")

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the list has changed."""
        changed = super().look()
        if changed:
            log.info("schedules.read", schedules=len(self.value or ()))
        return changed
