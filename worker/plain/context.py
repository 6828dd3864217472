"""The context of a plain function, in its child process."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from slotgrid.core.deadlines import Deadline
from slotgrid.core.event_log import well_formed
from slotgrid.core.task_parts import Artifact
from worker.json_values import json_bytes
from worker.plain.messages import Answer, ContextCall, Run


class CallSender(Protocol):
    """Sends requests to the worker and returns its answers."""

    def call(self, message: ContextCall) -> Answer:
        """Send, and wait for the answer, which the worker sends when the task's reader has room."""


class ChildContext:
    """Fulfils `slotgrid.function.PlainContext` for one run."""

    def __init__(self, run: Run, sender: CallSender) -> None:
        self._sender: CallSender | None = sender
        self.task_id = run.task_id
        self.attempt = run.attempt
        self.deadline = Deadline.after(run.remaining_s)
        self.secrets: Mapping[str, str] = dict(run.secrets)

    def close(self) -> None:
        """Refuse further calls, for example from threads that are still running."""
        self._sender = None

    def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind. Raises ValueError for data that is not JSON."""
        self._call("emit", kind=kind, text=text, data=data)

    def status(self, text: str) -> None:
        """Emit a `status` event."""
        self._call("status", text=text)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit a `progress` event."""
        self._call("progress", text=text, fraction=fraction)

    def stream(self, chunk: str) -> None:
        """Emit a piece of the result as a `chunk` event."""
        self._call("stream", chunk=chunk)

    def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line to the task's log."""
        self._call("log", line=str(line), stream=stream)

    def save(self, name: str, data: bytes | str, *, replace: bool = True) -> Artifact:
        """Save a file as the task's artifact."""
        content = well_formed(data).encode() if isinstance(data, str) else bytes(data)
        file = self._call("save", content=content, name=name, replace=replace)
        assert file is not None
        return file

    def _call(
        self,
        method: Literal["emit", "status", "progress", "stream", "log", "save"],
        content: bytes | None = None,
        **arguments: Any,
    ) -> Artifact | None:
        if self._sender is None:
            raise RuntimeError("the task has ended; its events are no longer delivered")
        answer = self._sender.call(ContextCall(method, json_bytes(arguments), content))
        if answer.refused is not None:
            raise ValueError(answer.refused)
        return answer.file
