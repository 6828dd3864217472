"""The context of a plain function, in its child process."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from slotgrid.core.events import well_formed
from slotgrid.core.moments import Deadline
from slotgrid.core.parts import Artifact
from worker.json_values import json_bytes
from worker.plain.messages import Answer, Run, Say


class Speaker(Protocol):
    """Sends requests to the worker and returns its answers."""

    def say(self, message: Say) -> Answer:
        """Send, and wait for the answer, which the worker sends when the task's reader has room."""


class ChildContext:
    """Fulfils `slotgrid.function.PlainContext` for one run."""

    def __init__(self, run: Run, speaker: Speaker) -> None:
        self._speaker: Speaker | None = speaker
        self.task_id = run.task_id
        self.attempt = run.attempt
        self.deadline = Deadline.after(run.remaining_s)
        self.secrets: Mapping[str, str] = dict(run.secrets)

    def close(self) -> None:
        """Refuse further calls, for example from threads that are still running."""
        self._speaker = None

    def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind. Raises ValueError for data that is not JSON."""
        self._say("emit", kind=kind, text=text, data=data)

    def status(self, text: str) -> None:
        """Emit a `status` event."""
        self._say("status", text=text)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit a `progress` event."""
        self._say("progress", text=text, fraction=fraction)

    def stream(self, chunk: str) -> None:
        """Emit a piece of the result as a `chunk` event."""
        self._say("stream", chunk=chunk)

    def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line to the task's log."""
        self._say("log", line=str(line), stream=stream)

    def save(self, name: str, data: bytes | str) -> Artifact:
        """Save a file as the task's artifact."""
        content = well_formed(data).encode() if isinstance(data, str) else bytes(data)
        file = self._say("save", content=content, name=name)
        assert file is not None
        return file

    def _say(
        self,
        method: Literal["emit", "status", "progress", "stream", "log", "save"],
        content: bytes | None = None,
        **arguments: Any,
    ) -> Artifact | None:
        if self._speaker is None:
            raise RuntimeError("the task has ended; its events are no longer delivered")
        answer = self._speaker.say(Say(method, json_bytes(arguments), content))
        if answer.refused is not None:
            raise ValueError(answer.refused)
        return answer.file
