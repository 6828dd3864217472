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
    advice = "Mend every field named in `errors`; each entry points at one of them."


class InvalidInput(ServiceError):
    """The function's input does not match its schema."""

    name, title, status = "invalid-input", "The function's input is not valid", 400
    advice = "Compare the input with the function's schema at `GET /functions/{name}`."


class ContractMismatch(ServiceError):
    """The task asks for another contract than this node's."""

    name, title, status = "contract-mismatch", "The contract does not match", 400
    advice = "Send the task to a worker of that contract, or leave `contract` out."


class ModeUnsupported(ServiceError):
    """The function cannot answer in that mode."""

    name, title, status = "mode-unsupported", "The mode is not supported here", 400
    advice = "`GET /functions/{name}` lists the modes that the function supports."


class Unauthorized(ServiceError):
    """No key, or one that is not known."""

    name, title, status = "unauthorized", "A valid key is needed", 401
    advice = "Send the key as `Authorization: <key>` or `Authorization: Bearer <key>`."


class Forbidden(ServiceError):
    """The key is known and lacks the scope."""

    name, title, status = "forbidden", "The key does not allow this", 403
    advice = "Use a key that has the scope named in `detail`."


class UnknownFunction(ServiceError):
    """No function of that name."""

    name, title, status = "unknown-function", "There is no such function", 404
    advice = "`GET /functions` lists the functions; the nearest names are in `suggestions`."


class UnknownGroup(ServiceError):
    """No such group here."""

    name, title, status = "unknown-group", "There is no such group", 404
    advice = "`GET /health` names the group that a worker serves."


class UnknownTask(ServiceError):
    """No task of that id, or not one that this key may see."""

    name, title, status = "unknown-task", "There is no such task", 404
    advice = "Tasks of the modes sync and stream are forgotten after HISTORY_TTL_S."


class NotFound(ServiceError):
    """No such resource."""

    name, title, status = "not-found", "There is nothing at this address", 404
    advice = "`GET /openapi` lists every path."


class MethodNotAllowed(ServiceError):
    """The path exists, the method does not."""

    name, title, status = "method-not-allowed", "The method is not allowed here", 405
    advice = "The header `Allow` of the answer lists the methods of this path."


class Conflict(ServiceError):
    """The request contradicts what is already there."""

    name, title, status = "conflict", "The request conflicts with what is there", 409
    advice = "`detail` says what stands against it, and what has to happen first."


class TaskFinished(ServiceError):
    """The task has already reached its end."""

    name, title, status = "task-finished", "The task has already finished", 409
    advice = "`POST /tasks/{id}/retry` starts a new task with the same input."


class TaskCancelled(ServiceError):
    """Someone cancelled the task that the caller waits for."""

    name, title, status = "task-cancelled", "The task was cancelled", 409
    advice = "`reason` says by whom or by what; submit the task again if that was a mistake."


class Gone(ServiceError):
    """It was here, and is here no more."""

    name, title, status = "gone", "It is no longer here", 410
    advice = "It was removed with its task or its worker; run the task again."


class BodyTooLarge(ServiceError):
    """The request's body is above the limit."""

    name, title, status = "body-too-large", "The request's body is too large", 413
    advice = "Send less, or raise REQUEST_BODY_LIMIT on the node."


class UnsupportedMediaType(ServiceError):
    """The request's body is not of a type that is read here."""

    name, title, status = "unsupported-media-type", "The content type is not supported", 415
    advice = "Send JSON with `Content-Type: application/json`, without `Content-Encoding`."


class OverQuota(ServiceError):
    """The key has used up what it is allowed."""

    name, title, status = "over-quota", "The quota is used up", 429
    advice = "Try again after the seconds in `Retry-After`."


class FunctionFailed(ServiceError):
    """The function raised."""

    name, title, status = "function-failed", "The function failed", 500
    advice = "`GET /tasks/{id}` and its logs and artifacts show what happened."


class OutputInvalid(ServiceError):
    """The function returned what its schema or JSON does not allow."""

    name, title, status = "output-invalid", "The function's output is not valid", 500
    advice = "Mend the function: what it returns must be JSON and match its output schema."


class BrowserCrashed(ServiceError):
    """The tab, the browser or its driver died under the task; or no browser could be had."""

    name, title, status = "browser-crashed", "The browser failed", 500
    advice = "`reason` says what died. The slot has a fresh browser; the task may be sent again."


class Internal(ServiceError):
    """A defect of ours."""

    name, title, status = "internal", "Something went wrong in the node", 500
    advice = "The node's log has the details under the same time; please report it."


class WorkerLost(ServiceError):
    """The worker died after the task had started there."""

    name, title, status = "worker-lost", "The worker was lost while the task ran", 502
    advice = "Whether the task took effect is not known; declare `retries` where twice is safe."


class InMaintenance(ServiceError):
    """The node refuses new tasks until it is switched on."""

    name, title, status = "maintenance", "The node is in maintenance", 503
    advice = "An operator ends maintenance with `POST /on`."


class Draining(ServiceError):
    """The node is about to exit."""

    name, title, status = "draining", "The node is draining", 503
    advice = "Send the task to another node, or again when this one is back."


class QueueFull(ServiceError):
    """As many tasks wait as may wait."""

    name, title, status = "queue-full", "The queue is full", 503
    advice = "Try again after the seconds in `Retry-After`."


class NoWorker(ServiceError):
    """Nobody who could run the task is there."""

    name, title, status = "no-worker", "There is no worker for this task", 503
    advice = "`GET /health` with a key tells what this node offers; `reason` what is missing."

    def __init__(self, detail: str, *, may_return_s: float = 0.0, **facts: Any) -> None:
        """`may_return_s`: seconds within which a lost worker may reconnect."""
        super().__init__(detail, **facts)
        self.may_return_s = may_return_s


class DatabaseUnavailable(ServiceError):
    """Durable modes need the database, and it does not answer."""

    name, title, status = "database-unavailable", "The database is not available", 503
    advice = "Modes sync and stream still work; try durable modes again after `Retry-After`."


class WaitExceeded(ServiceError):
    """No slot came free within `wait_s`."""

    name, title, status = "wait-exceeded", "No slot came free in time", 504
    advice = "Wait longer with `wait_s`, ask for a higher priority, or add slots."


class DeadlineExceeded(ServiceError):
    """The attempt ran longer than `timeout_s`."""

    name, title, status = "deadline-exceeded", "The task ran out of time", 504
    advice = "Raise `timeout_s` up to the function's own, or make the work smaller."


def problem_types() -> dict[str, type[ServiceError]]:
    """All problem types by name."""
    return {cls.name: cls for cls in ServiceError.__subclasses__()}
