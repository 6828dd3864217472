"""Tasks of Strøm as flows: steps, what they wait for, templates, and what their end starts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slotgrid.core.schema import Schema
from slotgrid.imports.function_names import function_name
from slotgrid.imports.notes import NewFile, Notes
from slotgrid.imports.recipe_text import yaml_text
from slotgrid.imports.stroem_inputs import flow_input
from slotgrid.imports.stroem_model import Part, Workspace, seconds
from slotgrid.imports.stroem_templates import Templates, Untranslatable
from slotgrid.steps.checking import check
from slotgrid.steps.faults import in_words
from slotgrid.steps.reading import StepsFault, read_steps

STEP_KEYS = frozenset(
    {"action", "name", "description", "depends_on", "input", "continue_on_failure", "timeout"}
    | {"when", "for_each", "sequential", "retry"}
)
TASK_KEYS = frozenset(
    {"name", "description", "mode", "folder", "input", "flow", "timeout", "retry"}
    | {"on_success", "on_error", "on_cancel"}
)
ENDS = ("on_success", "on_error", "on_cancel")
STEP_TIMEOUT_MOST_S = 86_400
FLOW_TIMEOUT_MOST_S = 604_800
_OF_HOOK: Mapping[str, str] = {
    "status": "status",
    "is_success": 'status == "completed"',
    "job_id": "task.id",
    "error_message": "(error.message if error else none)",
}
"""What a template of a hook reads: our expression."""
_PASSED: Mapping[str, str] = {
    "status": "{{ status }}",
    "task_id": "{{ task.id }}",
    "error_message": "{{ error.message if error else none }}",
}
"""What a flow of several hooks is given, by the names of its input."""
_IN_FLOW: Mapping[str, str] = {
    "status": "input.status",
    "is_success": 'input.status == "completed"',
    "job_id": "input.task_id",
    "error_message": "input.error_message",
}


class _AnyFunction:
    """The functions that steps may name: any."""

    def names(self) -> Sequence[str]:
        return ()

    def schema(self, name: str) -> Schema | None:
        del name
        return _ANY_INPUT


_ANY_INPUT = Schema({"type": "object"})
_ANY_FUNCTION = _AnyFunction()


class LeftOut(Exception):
    """A task that cannot be a flow: the line, and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Around:
    """What the tasks of a workspace need to know of each other.

    `functions`: the flow's name by the task's. `by_hook` has the tasks that requests start, `given`
    the members that triggers give a task. `missing` collects the functions that somebody has to
    write: the kind of the action, by name.
    """

    workspace: Workspace
    functions: Mapping[str, str]
    by_hook: frozenset[str]
    given: Mapping[str, list[str]]
    missing: dict[str, str] = field(default_factory=dict)


def flow_files(task: Part, around: Around, notes: Notes) -> list[NewFile]:
    """The flow that the task becomes, with one more for each end that starts several actions."""
    try:
        return _Task(task, around, notes).files()
    except LeftOut as left_out:
        notes.left_out(left_out.line, f"the task `{task.name}` was left out: {left_out.message}")
        return []


class _Task:
    def __init__(self, task: Part, around: Around, notes: Notes) -> None:
        self._task = task
        self._around = around
        self._notes = notes
        self._function = around.functions[task.name]
        flow = task.value.get("flow")
        if not isinstance(flow, dict) or not flow:
            raise LeftOut(task.line("flow"), "it has no steps")
        self._flow: dict[str, Any] = flow
        self._names = _step_names([str(name) for name in flow], task, notes)
        self._reads: dict[str, None] = {}
        """The members of the input that templates read: a task of Strøm takes any."""
        self._read_as = {_as_read(name): ours for name, ours in self._names.items()}

    def files(self) -> list[NewFile]:
        value, line = self._task.value, self._task.line
        for key in value:
            if key not in TASK_KEYS:
                self._notes.left_out(line(key), f"`{key}` is no key of a task")
        if value.get("retry") is not None:
            self._notes.left_out(
                line("retry"), "a flow has no `retry`: give it to the steps that may run twice"
            )
        made: dict[str, Any] = {"kind": "flow"}
        described = [value.get("name"), value.get("description")]
        if texts := [" ".join(text.split()) for text in described if isinstance(text, str)]:
            made["description"] = ": ".join(texts)
        timeout = self._timeout(value.get("timeout"), FLOW_TIMEOUT_MOST_S, "timeout")
        if timeout is not None:
            made["timeout_s"] = timeout
        steps = [self._step(str(name), step) for name, step in self._flow.items()]
        input_ = flow_input(
            self._task,
            self._notes,
            by_hook=self._task.name in self._around.by_hook,
            more=[*self._around.given.get(self._task.name, []), *self._reads],
        )
        if input_:
            made["input"] = input_
        made["steps"] = steps
        more: list[NewFile] = []
        for end in ENDS:
            handler, file = self._end(end)
            if handler is not None:
                made[end] = handler
            if file is not None:
                more.append(file)
        return [self._file(f"{self._function}.yaml", made), *more]

    def _file(self, path: str, made: dict[str, Any]) -> NewFile:
        head = f"From the task {self._task.name} of {self._task.path}"
        text = yaml_text(made, head=head)
        try:
            faults = check(read_steps(text.encode()), _ANY_FUNCTION)
        except StepsFault as fault:
            faults = list(fault.faults)
        if faults:
            raise LeftOut(self._task.line(), f"it is no valid flow: {in_words(faults)}")
        return NewFile(path, text, self._task.path)

    def _step(self, name: str, step: Any) -> dict[str, Any]:
        line = self._task.line("flow", name)
        if not isinstance(step, dict):
            raise LeftOut(line, f"its step `{name}` is no mapping")
        function, inline = self._work(name, step)
        for key in step:
            if key not in STEP_KEYS and not inline:
                self._notes.left_out(
                    self._task.line("flow", name, key), f"`{key}` is no key of a step"
                )
        made: dict[str, Any] = {"name": self._names[name]}
        made["needs"] = self._needs(name, step.get("depends_on"))
        templates = Templates(self._names_of_step(looping="for_each" in step))
        outside = Templates(self._names_of_step(looping=False))
        if step.get("when") is not None:
            made["when"] = self._must("when", name, lambda: outside.condition(step["when"]))
        if step.get("for_each") is not None:
            made["for_each"] = self._must("for_each", name, lambda: outside.value(step["for_each"]))
            if step.get("sequential") is True:
                made["sequential"] = True
        made["function"] = function
        given = self._given(step.get("input"), templates, "flow", name, "input")
        if given and not inline:
            made["with"] = given
        elif given:
            made["with"] = {
                key: value for key, value in given.items() if not _declares(step["input"][key])
            }
        retry = self._retry(name, step.get("retry"))
        if retry is not None:
            made["retry"] = retry
        timeout = self._timeout(step.get("timeout"), STEP_TIMEOUT_MOST_S, "flow", name, "timeout")
        if timeout is not None:
            made["timeout_s"] = timeout
        if step.get("continue_on_failure") is True:
            made["continue_on_error"] = True
        return {key: value for key, value in made.items() if value != {}}

    def _work(self, name: str, step: Mapping[str, Any]) -> tuple[str, bool]:
        """The function that the step runs, and whether its action is written in the step."""
        action = step.get("action")
        if isinstance(action, str):
            return self._function_of(action, self._task.line("flow", name, "action")), False
        kind = step.get("type")
        if not isinstance(kind, str):
            raise LeftOut(self._task.line("flow", name), f"its step `{name}` has no action")
        if kind == "task":
            return self._flow_of(step.get("task"), self._task.line("flow", name, "task")), True
        function = function_name(f"{self._function}-{name}")
        self._missing(function, kind, self._task.line("flow", name))
        return function, True

    def _function_of(self, action: str, line: int) -> str:
        found = self._around.workspace.actions.get(action)
        if found is not None and found.value.get("type") == "task":
            return self._flow_of(found.value.get("task"), line)
        function = function_name(action)
        if not function:
            raise LeftOut(line, f"the action `{action}` has no name that a file can have")
        if function in self._around.functions.values():  # a task has that name
            function = f"{function}-action"
        self._missing(function, "unknown" if found is None else str(found.value.get("type")), line)
        return function

    def _flow_of(self, task: Any, line: int) -> str:
        function = self._around.functions.get(task) if isinstance(task, str) else None
        if function is None:
            raise LeftOut(line, f"there is no task `{task}` in these files")
        return function

    def _missing(self, function: str, kind: str, line: int) -> None:
        if function in self._around.missing:
            return
        self._around.missing[function] = kind
        self._notes.left_out(line, _what_to_write(function, kind))

    def _needs(self, name: str, given: Any) -> list[str]:
        line = self._task.line("flow", name, "depends_on")
        if given is None:
            return []
        if isinstance(given, str):
            given = [given]
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise LeftOut(line, f"`depends_on` of its step `{name}` has conditions")
        unknown = [one for one in given if one not in self._names]
        if unknown:
            raise LeftOut(line, f"its step `{name}` waits for `{unknown[0]}`, which is not there")
        if given and all("when" in self._flow[one] for one in given):
            self._notes.differs(
                line, f"the step `{name}` runs here although all that it waits for were skipped"
            )
        return [self._names[one] for one in given]

    def _names_of_step(self, *, looping: bool) -> Callable[[str, tuple[str, ...]], str]:
        def names(name: str, members: tuple[str, ...]) -> str:
            rest = "".join(members)
            if name == "input":
                if members and members[0].startswith("."):
                    self._reads.setdefault(members[0].removeprefix("."))
                return f"input{rest}"
            if name == "each" and looping and members and members[0] in {".item", ".index"}:
                return members[0].removeprefix(".") + "".join(members[1:])
            if name == "secret":
                raise Untranslatable("secrets are no part of templates: the function reads them")
            if name in self._read_as and members and members[0] in {".output", ".error"}:
                return f"steps.{self._read_as[name].replace('-', '_')}{rest}"
            raise Untranslatable(f"`{name}{rest}`")

        return names

    def _given(self, given: Any, templates: Templates, *place: object) -> dict[str, Any]:
        """The translated members of an input; those without a counterpart are left out."""
        if given is None:
            return {}
        if not isinstance(given, dict):
            self._notes.left_out(self._task.line(*place), "`input` is no mapping")
            return {}
        made: dict[str, Any] = {}
        for key, value in given.items():
            try:
                made[str(key)] = templates.value(value)
            except Untranslatable as why:
                self._notes.left_out(self._task.line(*place, key), f"`{key}` was left out: {why}")
        return made

    def _must(self, key: str, name: str, translate: Callable[[], Any]) -> Any:
        """A part without which the step would do something else. Raises LeftOut."""
        try:
            return translate()
        except Untranslatable as why:
            line = self._task.line("flow", name, key)
            raise LeftOut(line, f"`{key}` of its step `{name}`: {why}") from why

    def _retry(self, name: str, given: Any) -> dict[str, Any] | None:
        if given is None:
            return None
        if not isinstance(given, dict):
            self._notes.left_out(self._task.line("flow", name, "retry"), "`retry` is no mapping")
            return None
        made: dict[str, Any] = {"attempts": 3, "delay_s": 30, "backoff": "fixed"}
        for key, value in given.items():
            line = self._task.line("flow", name, "retry", key)
            if key == "max_attempts" and isinstance(value, int) and 1 <= value <= 10:
                made["attempts"] = value
            elif key == "delay" and (delay := seconds(value)) is not None:
                made["delay_s"] = _whole(delay)
            elif key == "backoff" and value in {"fixed", "exponential"}:
                made["backoff"] = value
            elif key == "jitter" and isinstance(value, int | float) and 0 <= value <= 1:
                made["jitter"] = value
            else:
                self._notes.left_out(line, f"`{key}: {value}` of `retry`")
        if made["backoff"] == "exponential":
            made["max_delay_s"] = _whole(min(made["delay_s"] * 64, 3600))
        return made

    def _timeout(self, given: Any, most: float, *place: object) -> float | None:
        if given is None:
            return None
        timeout = seconds(given)
        if timeout is None:
            self._notes.left_out(self._task.line(*place), f"`{given}` is no duration")
            return None
        return _whole(min(timeout, most))

    def _end(self, end: str) -> tuple[dict[str, Any] | None, NewFile | None]:
        """What the end of the flow starts, and the flow of it if it is more than one action."""
        part, given = self._task, self._task.value.get(end)
        place: tuple[object, ...] = (end,)
        if not given and end in self._around.workspace.hooks:
            part = self._around.workspace.hooks[end]
            given = part.value["hooks"]
        if not given:
            return None, None
        hooks = given if isinstance(given, list) else [given]
        if not all(
            isinstance(hook, dict) and isinstance(hook.get("action"), str) for hook in hooks
        ):
            self._notes.left_out(part.line(*place), f"`{end}` is no list of actions")
            return None, None
        if len(hooks) == 1:
            return self._hook(hooks[0], _OF_HOOK, part, end), None
        name = f"{self._function}-{end.replace('_', '-')}"
        steps = []
        for number, hook in enumerate(hooks, start=1):
            step = self._hook(hook, _IN_FLOW, part, end)
            with_ = {"with": step["input"]} if step.get("input") else {}
            steps.append(
                {"name": f"hook-{number}", "needs": [], "function": step["function"], **with_}
            )
        optional = {"type": "any", "required": False}
        flow = {"kind": "flow", "input": dict.fromkeys(_PASSED, optional), "steps": steps}
        return {"function": name, "input": dict(_PASSED)}, self._file(f"{name}.yaml", flow)

    def _hook(
        self, hook: Mapping[str, Any], of_hook: Mapping[str, str], part: Part, end: str
    ) -> dict[str, Any]:
        def names(name: str, members: tuple[str, ...]) -> str:
            ours = of_hook.get(members[0].removeprefix(".")) if members else None
            if name == "hook" and ours is not None and len(members) == 1:
                return ours
            if name == "hook" and members == (".task_name",):
                return f'"{self._function}"'
            raise Untranslatable(f"`{name}{''.join(members)}` in `{end}`")

        made: dict[str, Any] = {"function": self._function_of(hook["action"], part.line(end))}
        given: dict[str, Any] = {}
        for key, value in (hook.get("input") or {}).items():
            try:
                given[str(key)] = Templates(names).value(value)
            except Untranslatable as why:
                self._notes.left_out(part.line(end), f"`{key}` of `{end}` was left out: {why}")
        if given:
            made["input"] = given
        return made


def _step_names(names: list[str], task: Part, notes: Notes) -> dict[str, str]:
    """Our name for each step: a small letter, then small letters, digits, `_` and `-`."""
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        ours = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "step"
        ours = ours if ours[0].isalpha() else f"step-{ours}"
        number, plain = 2, ours
        while ours.replace("-", "_") in taken:
            ours, number = f"{plain}-{number}", number + 1
        taken.add(ours.replace("-", "_"))
        made[name] = ours
        if ours != name:
            notes.differs(task.line("flow", name), f"the step `{name}` is called `{ours}` here")
    return made


def _as_read(name: str) -> str:
    """A step's name as templates of Strøm read it."""
    return name.replace("-", "_")


def _declares(value: Any) -> bool:
    """Whether a member of an inline action's input says its type, and is no value."""
    return isinstance(value, dict) and "type" in value


def _what_to_write(function: str, kind: str) -> str:
    if kind == "approval":
        return (
            f"nothing here waits for an approval: write a function `{function}`, or split the flow"
        )
    what = {
        "script": "a script",
        "docker": "a container",
        "pod": "a pod of Kubernetes",
        "agent": "a call of a language model",
        "unknown": "not in these files",
    }.get(kind, f"of the type `{kind}`")
    return f"write a function `{function}` (docs/functions.md): its action is {what}"


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number
