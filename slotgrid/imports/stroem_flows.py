"""Tasks of Strøm as flows: steps, what they wait for, templates, and what their end starts."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slotgrid.core.schema import Schema
from slotgrid.imports.function_names import function_name
from slotgrid.imports.notes import NewFile, Notes
from slotgrid.imports.recipe_text import yaml_text
from slotgrid.imports.stroem_actions import Around, LeftOut
from slotgrid.imports.stroem_ends import ENDS, PASSED, flow_of_hooks, handler_of, hooks_of
from slotgrid.imports.stroem_inputs import flow_input
from slotgrid.imports.stroem_model import Part, seconds
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
STEP_TIMEOUT_MOST_S = 86_400
FLOW_TIMEOUT_MOST_S = 604_800


class _AnyFunction:
    """The functions that steps may name: any."""

    def names(self) -> Sequence[str]:
        return ()

    def schema(self, name: str) -> Schema | None:
        del name
        return _ANY_INPUT


_ANY_INPUT = Schema({"type": "object"})
_ANY_FUNCTION = _AnyFunction()


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

    def _end(self, end: str) -> tuple[dict[str, Any] | None, NewFile | None]:
        """What the end of the flow starts, and the flow of it if it is more than one action."""
        part, hooks = hooks_of(self._task, end, self._around.workspace.hooks, self._notes)
        several = len(hooks) > 1
        handlers = [
            handler_of(
                hook,
                self._function,
                part,
                end,
                around=self._around,
                notes=self._notes,
                in_flow=several,
            )
            for hook in hooks
        ]
        if not several:
            return (handlers[0] if handlers else None), None
        name = f"{self._function}-{end.replace('_', '-')}"
        file = self._file(f"{name}.yaml", flow_of_hooks(handlers))
        return {"function": name, "input": dict(PASSED)}, file

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
            line = self._task.line("flow", name, "action")
            return self._around.function_of(action, line, self._notes), False
        kind = step.get("type")
        if not isinstance(kind, str):
            raise LeftOut(self._task.line("flow", name), f"its step `{name}` has no action")
        if kind == "task":
            line = self._task.line("flow", name, "task")
            return self._around.flow_of(step.get("task"), line), True
        function = function_name(f"{self._function}-{name}")
        self._around.need(function, kind, self._task.line("flow", name), self._notes)
        return function, True

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


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number
