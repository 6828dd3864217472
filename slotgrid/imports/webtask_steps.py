"""The steps of a webtasks task as steps of ours."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slotgrid.imports.function_names import function_name
from slotgrid.imports.limits import fitting
from slotgrid.imports.notes import Notes
from slotgrid.imports.webtask_model import LOOPS, Webtask, WebtaskStep, in_one_scope
from slotgrid.imports.webtask_scope import Names, WebtaskScope
from slotgrid.imports.webtask_templates import Bound, Resolve, has_tokens, value_of
from slotgrid.imports.webtask_values import (
    NotTranslated,
    file_name,
    flag,
    script,
    seconds,
    text,
    whole,
)
from slotgrid.imports.webtask_words import WORDS
from slotgrid.steps.faults import nearest

Ours = dict[str, Any]

DEFAULT_MS: Mapping[str, float] = {
    "duration": 0,
    "timeoutMs": 10_000,
    "idleMs": 500,
    "stableMs": 1500,
    "maxDurationMs": 30_000,
    "timeoutPerFileMs": 30_000,
    "pauseMs": 1000,
}
"""What webtasks takes for a time that is no number."""
_TEXTS = frozenset(
    {
        *("url", "selector", "text", "html", "css", "closest", "scope", "function", "kind"),
        *("direction", "format", "pages", "header", "footer", "color_scheme", "naming"),
    }
)
"""Our parameters that take a text and nothing else."""
_ZERO_IS_NOTHING = frozenset(
    ("width", "height", "deviceScaleFactor", "quality", "fps", "maxFrames", "colorScheme")
)
"""Parameters for which webtasks takes its own default if they are 0."""
_FLAGS = frozenset(
    {
        *(
            "fullPage",
            "landscape",
            "printBackground",
            "includeBodies",
            "mobile",
            "reset",
            "optional",
        ),
        "continueOnError",
    }
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else is imported: scripts and tasks by their names, None if that is not known.

    `functions` are the names of functions that the tasks become.
    """

    scripts: Mapping[str, str] | None = None
    tasks: Mapping[str, Webtask] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    is_whole: bool = False
    """Whether a task that is not here is nowhere."""


Rule = Callable[["Writing", WebtaskStep, WebtaskScope], list[Ours]]


@dataclass(slots=True, eq=False)
class Writing:
    """Writes the steps of one recipe. `to_root` leads from its folder to the target folder."""

    task: Webtask
    notes: Notes
    names: Names
    around: Surroundings
    rules: Mapping[str, "Rule"]
    """How words are written for which the table alone is not enough."""
    to_root: str = ""
    results: dict[str, str] = field(default_factory=dict)
    """The members of the recipe's result: expressions by the names of `as`."""
    rounds: int = 0
    """How many loops are open."""

    def block(self, steps: Sequence[WebtaskStep], scope: WebtaskScope) -> list[Ours]:
        """Our steps for these, which run one after the other."""
        written: list[Ours] = []
        for step in steps:
            try:
                written += self._written(step, scope.at(step.line))
            except NotTranslated as cause:
                self.notes.left_out(step.line, f"`{step.word}` was left out: {cause}")
        return written

    def _written(self, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
        if step.word not in WORDS:
            inner = " with the steps in it" if step.steps else ""
            near = nearest(step.word, WORDS)
            raise NotTranslated(f"it is no word of webtasks{near}{inner and ';' + inner}")
        if step.steps and step.word not in {*LOOPS, "record", "capture-network", "console"}:
            self.notes.left_out(step.steps[0].line, f"`{step.word}` has no steps in it")
        # Before the step binds its own name, which its status does not see.
        status = text(step.status, scope.resolve) if step.status else ""
        rule = self.rules.get(step.word)
        written = self.plain(step, scope) if rule is None else rule(self, step, scope)
        if status and written:
            written[0] = {"status": status, **written[0]}
        if step.record and written:
            main = next((one for one in written if "name" in one), written[0])
            main["record"] = True
        return [_in_order(one) for one in written]

    def plain(
        self, step: WebtaskStep, scope: WebtaskScope, bound: Bound | None = None, **more: Any
    ) -> list[Ours]:
        """A step of the word's first action, with its parameters by the table and more of them."""
        given = self.given(step, scope)
        return [self.action(step, scope, {**given, **more}, bound)]

    def given(self, step: WebtaskStep, scope: WebtaskScope, *done: str) -> Ours:
        """The parameters by the table, except those that are done."""
        known = WORDS[step.word].parameters
        given: Ours = {}
        for name, value in step.parameters.items():
            if name not in known:
                near = nearest(name, known)
                self.notes.left_out(
                    step.line, f"`{step.word}` has no parameter `{name[:60]}`{near}"
                )
            elif name not in done and value is not None and known[name].to:
                converted = self._converted(step, name, value, scope.resolve)
                given[known[name].to] = self._fitting(step, name, converted)
        return {name: value for name, value in given.items() if value is not None}

    def _fitting(self, step: WebtaskStep, name: str, value: Any) -> Any:
        """The value as our parameter takes it; None with a note if it cannot be given."""
        parameter = WORDS[step.word].parameters[name]
        no_value = value is None or (name in _ZERO_IS_NOTHING and value == 0)
        if no_value or parameter.conversion == "by_value":
            return None if no_value else value
        try:
            fits = fitting(parameter.to.rpartition(".")[2], value)
        except ValueError as cause:
            self.notes.left_out(step.line, f"`{name}` of `{step.word}` was left out: {cause}")
            return None
        if fits != value != 0:
            self.notes.differs(step.line, f"`{name}` of `{step.word}` is {fits} at the limit")
        return fits

    def _converted(  # noqa: PLR0911  one for each conversion
        self, step: WebtaskStep, name: str, value: Any, resolve: Resolve
    ) -> Any:
        parameter = WORDS[step.word].parameters[name]
        try:
            match parameter.conversion:
                case "ms_to_s":
                    default = 15_000 if step.word == "wait-for-network-idle" else DEFAULT_MS[name]
                    return seconds(value, resolve, default_ms=default)
                case "whole":
                    return whole(value, resolve)
                case "file_name":
                    return file_name(value, resolve) or None
                case "script":
                    return script(str(value), resolve)
        except NotTranslated as cause:
            self.notes.left_out(step.line, f"`{name}` of `{step.word}` was left out: {cause}")
            return None
        if name in _FLAGS:
            return flag(value, resolve)
        to = parameter.to.rpartition(".")[2]
        return text(value, resolve) if to in _TEXTS else value_of(value, resolve)

    def action(
        self,
        step: WebtaskStep,
        scope: WebtaskScope,
        given: Ours,
        bound: Bound | None = None,
        action: str = "",
    ) -> Ours:
        """A step of an action. Its name is that of `as`, which is bound to what it gives."""
        ours: Ours = {"action": action or WORDS[step.word].actions[0]}
        if step.name:
            ours["name"] = self.names.step(step.name)
            self.bind(scope, step.name, bound or Bound(""), f"steps.{ours['name']}.output")
        if given:
            ours["with"] = given
        return ours

    def bind(self, scope: WebtaskScope, name: str, bound: Bound, code: str) -> None:
        """Let a name stand for an expression; `bound` says more about it, with `@` for the code."""
        scope.bound[name] = Bound(
            bound.expression.replace("@", code) or code,
            bound.members,
            bound.value.replace("@", code),
            text=bound.text,
            number=bound.number,
            optional=bound.optional,
            read=bound.read,
        )
        if not self.rounds and "{{" not in name:
            is_file = bound.read is not None
            self.results[name] = code if is_file else bound.value.replace("@", code) or code

    def saved(self, step: WebtaskStep, scope: WebtaskScope, given: Ours, action: str = "") -> Ours:
        """A step that saves a file. Its bytes are in its output only if something reads them."""

        def read(name: str) -> None:
            if name in {"", "bytesB64"}:
                given["inline"] = True

        members = {"path": "name", "bytesB64": "base64"}
        value = "@.base64"
        if step.parameters.get("path"):
            value = '{"path": @.name, "size": @.size, "bytesB64": @.base64}'
        if step.name:
            self.notes.differs(
                step.line,
                f"`{step.name}` is an artifact, in the result its name, size and url: no base64",
            )
        return self.action(step, scope, given, Bound("@", members, value, read=read), action)

    def module(self, step: WebtaskStep, name: Any) -> str:
        """The path of a script's copy, from the recipe's folder."""
        if not isinstance(name, str) or has_tokens(name):
            raise NotTranslated("its script is not known before it runs")
        module = name.removesuffix(".js").strip("/")
        plain = function_name(module)
        scripts = self.around.scripts
        if scripts is None or module not in scripts:
            where = "is not among the imported files" if scripts is None else "does not exist"
            self.notes.left_out(step.line, f"the script `scripts/{module}.js` {where}")
            if ".." in re.split(r"[/\\\\]", module) or not plain:
                raise NotTranslated("its script is outside of `scripts/`")
        path = (scripts or {}).get(module, f"scripts/{plain}.js")
        return f"{self.to_root}{path}"

    def bound_by(self, name: str, seen: frozenset[str] = frozenset()) -> list[str]:
        """The names that a task binds for those that call it."""
        task = self.around.tasks.get(name)
        if task is None or name in seen:
            return []
        found: dict[str, None] = {}
        for step in in_one_scope(task.steps):
            if step.word == "call":
                called = str(step.parameters.get("task", ""))
                found |= dict.fromkeys(self.bound_by(called, seen | {name}))
            elif step.name and step.word not in LOOPS:
                found[step.name] = None
        return list(found)


def _in_order(ours: Ours) -> Ours:
    """The step with its keys in the usual order."""
    order = (
        *("name", "status", "when", "action", "for_each", "repeat", "with", "continue_on_error"),
        *("record", "steps"),
    )
    return {key: ours[key] for key in order if key in ours}
