"""The closed list of errors; each class is one problem type of the API.

`/problems/{name}` shows the docstring and the `advice` of a class.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

FAULTS_LIMIT = 100
"""Reported faults per request: more do not help, and an answer must have a size limit."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of a request: a JSON pointer into the body, and a message."""

    pointer: str
    message: str

    def to_json(self) -> dict[str, str]:
        """The violation as `errors[]` shows it."""
        return {"pointer": shortened(self.pointer), "message": shortened(self.message)}


def shortened(text: str) -> str:
    """The text, or beginning and end of a long one: an answer does not repeat megabytes."""
    return text if len(text) <= TEXT_MOST else f"{text[: TEXT_MOST // 2]} … {text[-80:]}"


def pointer(path: Iterable[object]) -> str:
    """The JSON pointer (RFC 6901) of a path of keys and indexes; empty for the whole value."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


TEXT_MOST = 600
"""Characters of a faulty value or detail that an answer repeats in full."""


class ServiceError(Exception):
    """Base class. `str(error)` is one sentence for the caller; facts are attributes."""

    name: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    advice: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        task_id: str | None = None,
        retry_after_s: int | None = None,
        position: int | None = None,
        expected_wait_s: float | None = None,
        reason: str | None = None,
        errors: Sequence[Violation] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.task_id = task_id
        self.retry_after_s = retry_after_s
        self.position = position
        self.expected_wait_s = expected_wait_s
        self.reason = reason
        self.errors = tuple(errors)
        self.extra = dict(extra or {})

    def to_problem(self) -> dict[str, Any]:
        """The body of the answer: the members of RFC 9457 and those of Slotgrid."""
        detail = shortened(self.detail) if self.status < 500 else self.detail
        problem: dict[str, Any] = {
            "type": f"/problems/{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "success": False,
            "error": detail,
        }
        for member in ("task_id", "retry_after_s", "position", "expected_wait_s", "reason"):
            if (value := getattr(self, member)) is not None:
                problem[member] = value
        if self.errors:
            problem["errors"] = [violation.to_json() for violation in self.errors]
        return problem | self.extra


class InvalidSubmission(ServiceError):
    """The request itself is malformed."""

    name, title, status = "invalid-request", "The request is not valid", 400
    advice = "Correct each field named in `errors`; each entry points to one field."


class InvalidInput(ServiceError):
    """The function's input does not match its schema."""

    name, title, status = "invalid-input", "The function's input is not valid", 400
    advice = "Compare the input with the function's schema at `GET /functions/{name}`."


class ContractMismatch(ServiceError):
    """The task requests a contract that this node does not serve."""

    name, title, status = "contract-mismatch", "The contract does not match", 400
    advice = "Send the task to a worker of that contract, or omit `contract`."


class ModeUnsupported(ServiceError):
    """The function does not support the requested mode."""

    name, title, status = "mode-unsupported", "The mode is not supported here", 400
    advice = "`GET /functions/{name}` lists the modes that the function supports."


class Unauthorized(ServiceError):
    """The request has no key, or an unknown one."""

    name, title, status = "unauthorized", "A valid key is needed", 401
    advice = "Send the key as `Authorization: <key>` or `Authorization: Bearer <key>`."


class Forbidden(ServiceError):
    """The key is valid, but lacks the scope."""

    name, title, status = "forbidden", "The key does not allow this", 403
    advice = "Use a key that has the scope named in `detail`."


class ForbiddenAddress(ServiceError):
    """A task may not reach the address that it named: the traffic guard refused it."""

    name, title, status = "forbidden-address", "Pages may not reach this address", 403
    advice = (
        "Name a public address. The operator opens private ones with `ALLOWED_PRIVATE_NETWORKS` "
        "(networks and host names, separated by commas)."
    )


class FileForbidden(ServiceError):
    """A static mount does not list or serve this: its entry says so, or the path leads out."""

    name, title, status = "forbidden-file", "This file is not served", 403
    advice = "Take the paths from the mount's list. Its entry in `mounts.yaml` allows the rest."


class UnknownFunction(ServiceError):
    """No function of that name exists here."""

    name, title, status = "unknown-function", "There is no such function", 404
    advice = "`GET /functions` lists the functions; the nearest names are in `suggestions`."


class UnknownGroup(ServiceError):
    """No group of that name exists here."""

    name, title, status = "unknown-group", "There is no such group", 404
    advice = "`GET /health` names the group that a worker serves."


class UnknownTask(ServiceError):
    """No task with that id exists, or the key may not see it."""

    name, title, status = "unknown-task", "There is no such task", 404
    advice = "Sync and stream tasks are evicted from memory after HISTORY_TTL_S at the latest."


class NotFound(ServiceError):
    """No resource has this address."""

    name, title, status = "not-found", "Nothing exists at this address", 404
    advice = "`GET /openapi` lists every path."


class MethodNotAllowed(ServiceError):
    """The path exists, the method does not."""

    name, title, status = "method-not-allowed", "The method is not allowed here", 405
    advice = "The header `Allow` of the answer lists the methods of this path."


class Conflict(ServiceError):
    """The request contradicts the current state."""

    name, title, status = "conflict", "The request conflicts with the current state", 409
    advice = "`detail` names the conflict; resolve it, then send the request again."


class TaskFinished(ServiceError):
    """The task has already ended."""

    name, title, status = "task-finished", "The task has already finished", 409
    advice = "`POST /tasks/{id}/retry` starts a new task with the same input."


class TaskCancelled(ServiceError):
    """The task was cancelled while the caller waited for its result."""

    name, title, status = "task-cancelled", "The task was cancelled", 409
    advice = "`reason` names who or what cancelled it; submit the task again if that was a mistake."


class Gone(ServiceError):
    """The resource existed and has been removed."""

    name, title, status = "gone", "The resource is gone", 410
    advice = "It was removed together with its task or its worker; run the task again."


class BodyTooLarge(ServiceError):
    """The request's body exceeds the limit."""

    name, title, status = "body-too-large", "The request's body is too large", 413
    advice = "Send a smaller body, or raise REQUEST_BODY_LIMIT on the node."


class UnsupportedMediaType(ServiceError):
    """The content type or encoding of the request's body is not supported."""

    name, title, status = "unsupported-media-type", "The content type is not supported", 415
    advice = "Send JSON with `Content-Type: application/json`, without `Content-Encoding`."


class OverQuota(ServiceError):
    """The key has used up its quota."""

    name, title, status = "over-quota", "The quota is used up", 429
    advice = "Try again after the seconds in `Retry-After`."


class FunctionFailed(ServiceError):
    """The function raised an exception."""

    name, title, status = "function-failed", "The function failed", 500
    advice = "`GET /tasks/{id}` and its logs and artifacts show what happened."


class OutputInvalid(ServiceError):
    """The function returned a value that is not JSON or does not match its output schema."""

    name, title, status = "output-invalid", "The function's output is not valid", 500
    advice = "Correct the function: it must return JSON that matches its output schema."


class BrowserCrashed(ServiceError):
    """The tab, the browser or its driver crashed during the task, or no browser started."""

    name, title, status = "browser-crashed", "The browser failed", 500
    advice = "`reason` names what crashed. The slot has a fresh browser; submit the task again."


class Internal(ServiceError):
    """The node has a defect."""

    name, title, status = "internal", "The node failed", 500
    advice = "The node's log has the details at the same time; please report the defect."


class WorkerLost(ServiceError):
    """The worker was lost after the task had started there."""

    name, title, status = "worker-lost", "The worker was lost while the task ran", 502
    advice = "The task may have taken effect; declare `retries` if the function may run twice."


class InMaintenance(ServiceError):
    """The node refuses new tasks until its maintenance ends."""

    name, title, status = "maintenance", "The node is in maintenance", 503
    advice = "An operator ends maintenance with `POST /on`."


class Draining(ServiceError):
    """The node refuses new tasks, finishes those that it has, and exits."""

    name, title, status = "draining", "The node is draining", 503
    advice = "Send the task to another node, or to this one after its restart."


class QueueFull(ServiceError):
    """The number of waiting tasks has reached its limit."""

    name, title, status = "queue-full", "The queue is full", 503
    advice = "Try again after the seconds in `Retry-After`."


class NoWorker(ServiceError):
    """No worker is available that can run the task."""

    name, title, status = "no-worker", "There is no worker for this task", 503
    advice = "`GET /health` with a key lists what this node offers; `reason` names what is missing."

    def __init__(self, detail: str, *, may_return_s: float = 0.0, **facts: Any) -> None:
        """`may_return_s`: seconds within which a lost worker may reconnect."""
        super().__init__(detail, **facts)
        self.may_return_s = may_return_s


class DatabaseUnavailable(ServiceError):
    """The database, which durable modes require, does not answer."""

    name, title, status = "database-unavailable", "The database is not available", 503
    advice = "Modes sync and stream still work; try durable modes again after `Retry-After`."


class FolderUnavailable(ServiceError):
    """The folder of a static mount is missing, not readable, or does not answer."""

    name, title, status = "folder-unavailable", "The folder is not available", 503
    advice = "Its files may be back soon: try again. `/health` lists such mounts for the operator."


class WaitExceeded(ServiceError):
    """No slot became free within `wait_s`."""

    name, title, status = "wait-exceeded", "No slot became free in time", 504
    advice = "Wait longer with `wait_s`, ask for a higher priority, or add slots."


class DeadlineExceeded(ServiceError):
    """The attempt ran longer than `timeout_s`."""

    name, title, status = "deadline-exceeded", "The task ran out of time", 504
    advice = "Raise `timeout_s` up to the function's own, or make the work smaller."


def problem_types() -> dict[str, type[ServiceError]]:
    """All problem types by name."""
    return {cls.name: cls for cls in ServiceError.__subclasses__()}
