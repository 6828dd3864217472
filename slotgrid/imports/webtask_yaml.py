"""Reads the YAML spelling of a task of webtasks."""

from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.imports.webtask_model import Webtask, WebtaskInput, WebtaskStep
from slotgrid.imports.webtask_words import STEP_KEYS, TASK_KEYS
from slotgrid.steps.faults import nearest
from slotgrid.steps.yaml_text import Document, YamlFault, parse

_DESCRIPTION_MOST = 300


def read_yaml_task(path: str, data: bytes, notes: Notes) -> Webtask | None:
    """The task in the bytes of a file; None with a note if there is none."""
    try:
        document = parse(data)
    except YamlFault as fault:
        notes.left_out(fault.line, fault.message)
        return None
    value = document.value
    if not isinstance(value, dict) or "flow" not in value:
        notes.left_out(1, "this is no task: it has no `flow`")
        return None
    return _Reader(path, document, notes).task(value, head_comment(data.decode()))


def head_comment(text: str) -> str:
    """The first paragraph of the comment with which a file begins, as one line."""
    words: list[str] = []
    for line in text.splitlines():
        comment = line.strip()
        if not comment.startswith("#") or not comment.strip("# -=") or "{{" in comment:
            break
        words.append(comment.lstrip("#").strip())
    return " ".join(" ".join(words).split())[:_DESCRIPTION_MOST]


class _Reader:
    """Reads the parts of one document."""

    def __init__(self, path: str, document: Document, notes: Notes) -> None:
        self._path = path
        self._document = document
        self._notes = notes

    def task(self, value: dict[str, Any], description: str) -> Webtask:
        for key in value:
            if key not in TASK_KEYS:
                self._unknown(f"/{key}", key, list(TASK_KEYS))
        task = Webtask(
            _text(value.get("name")),
            self._document.line("/name"),
            self._path,
            description=description,
        )
        task.pool = _text(value.get("poolTag")) or "default"
        task.setup = _text(value.get("setupTask"))
        timeout = value.get("timeoutMs", 0)
        if isinstance(timeout, int | float) and not isinstance(timeout, bool):
            task.timeout_ms = timeout
        elif timeout is not None:
            self._notes.left_out(self._document.line("/timeoutMs"), "`timeoutMs` is no number")
        task.inputs = self._inputs(value.get("input"))
        task.steps = self._steps(value["flow"], "/flow")
        return task

    def _inputs(self, value: Any) -> list[WebtaskInput]:
        if value is None:
            return []
        if not isinstance(value, dict):
            self._notes.left_out(self._document.line("/input"), "`input` is no object")
            return []
        return [self._input(str(name), field) for name, field in value.items()]

    def _input(self, name: str, field: Any) -> WebtaskInput:
        at = f"/input/{name}"
        line = self._document.line(at)
        if not isinstance(field, dict):
            self._notes.left_out(line, f"the input `{name}` has no type: it takes anything")
            return WebtaskInput(name, line, "any")
        for key in field:
            if key not in {"type", "required", "default", "doc"}:
                self._unknown(f"{at}/{key}", key, ["type", "required", "default", "doc"])
        return WebtaskInput(
            name=name,
            line=line,
            type=_text(field.get("type")) or "any",
            required=field.get("required") is True,
            default=field.get("default"),
            doc=_text(field.get("doc")),
        )

    def _steps(self, value: Any, at: str) -> list[WebtaskStep]:
        if not isinstance(value, list):
            self._notes.left_out(self._document.line(at), f"`{at.rpartition('/')[2]}` is no list")
            return []
        read = [self._step(one, f"{at}/{index}") for index, one in enumerate(value)]
        return [step for step in read if step is not None]

    def _step(self, value: Any, at: str) -> WebtaskStep | None:
        line = self._document.line(at)
        if not isinstance(value, dict) or not isinstance(value.get("run"), str):
            self._notes.left_out(line, "the step has no `run`")
            return None
        for key in value:
            if key not in STEP_KEYS:
                self._unknown(f"{at}/{key}", key, list(STEP_KEYS))
        parameters = value.get("params")
        if parameters is not None and not isinstance(parameters, dict):
            self._notes.left_out(self._document.line(f"{at}/params"), "`params` is no object")
            parameters = None
        return WebtaskStep(
            word=value["run"],
            line=self._document.line(f"{at}/run") if "run" in value else line,
            name=_text(value.get("as")),
            status=_text(value.get("status")),
            record=value.get("record") is True,
            parameters=dict(parameters or {}),
            steps=self._steps(value["do"], f"{at}/do") if value.get("do") is not None else [],
        )

    def _unknown(self, at: str, key: str, known: list[str]) -> None:
        near = nearest(key, known)
        self._notes.left_out(self._document.line(at), f"`{key}` is no key of webtasks{near}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)
