"""Words of webtasks that control a run: loops, other tasks, results."""

from collections.abc import Mapping
from typing import Any

from slotgrid.imports.function_names import function_name
from slotgrid.imports.webtask_model import LOOPS, WebtaskStep
from slotgrid.imports.webtask_scope import WebtaskScope
from slotgrid.imports.webtask_steps import DEFAULT_MS, Ours, Rule, Writing
from slotgrid.imports.webtask_templates import Bound, member, single, value_of
from slotgrid.imports.webtask_values import (
    NotTranslated,
    condition,
    flag,
    script,
    seconds,
    whole,
)

ROUNDS_MOST = 10_000
ROUNDS = 1000
"""What webtasks allows if a loop does not say."""


def _for_each(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    over = step.parameters.get("over")
    writing.given(step, scope, "over", "continueOnError", "as")
    if isinstance(over, list):
        items: Any = value_of(over, scope.resolve)
    elif isinstance(over, str) and (one := single(over, scope.resolve)) is not None:
        items = f"{{{{ {one.code} }}}}"
    else:
        raise NotTranslated("its `over` is no list")
    if step.name:
        writing.notes.differs(step.line, f"`as: {step.name}` of a for-each means nothing")
    name = writing.names.step("each")
    ours: Ours = {"name": name, "for_each": items}
    item = str(step.parameters.get("as") or "item")
    inner = scope.within()
    first = _bind_round(writing, step, inner, {item: "item", f"{item}_index": "index"})
    ours["steps"] = _rounds(writing, step, inner, first)
    if flag(step.parameters.get("continueOnError"), scope.resolve) is True:
        ours["continue_on_error"] = True
    _note_results(writing, step, name)
    return [ours]


def _loop(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    given = step.parameters
    writing.given(step, scope, *given)
    most = whole(given.get("maxIterations", ROUNDS), scope.resolve, default=ROUNDS)
    if isinstance(most, int):
        most = most if most > 0 else ROUNDS
        if most > ROUNDS_MOST:
            writing.notes.left_out(step.line, f"a loop has at most {ROUNDS_MOST:,} rounds")
            most = ROUNDS_MOST
    limit = str(most) if isinstance(most, int) else most[3:-3]
    pause = seconds(given.get("pauseMs", 1000), scope.resolve, default_ms=DEFAULT_MS["pauseMs"])
    name = writing.names.step("loop")
    inner = scope.within()
    first = _bind_round(writing, step, inner, {"loop_index": "index"})
    asked = [word for word in ("until", "while") if given.get(word) or given.get(f"{word}Fn")]
    repeat: Ours = {"max": most if isinstance(most, int) else ROUNDS_MOST}
    if not asked:
        steps = _rounds(writing, step, inner, first)
        if isinstance(most, str):
            repeat = {"until": f"index + 1 >= {limit}", **repeat}
        if isinstance(pause, str):
            steps.append({"action": "sleep", "with": {"seconds": pause}})
        elif pause:
            repeat["pause_s"] = pause
        _note_results(writing, step, name)
        return [{"name": name, "repeat": repeat, "steps": steps}]
    goes_on = writing.names.variable("goes_on")
    before = _ask(writing, step, scope, asked, goes_on)
    steps = _rounds(writing, step, inner, first)
    if pause:
        steps.append({"action": "sleep", "with": {"seconds": pause}})
    steps += _ask(writing, step, inner, asked, goes_on, f"index + 1 < {limit}")
    repeat = {"while": f"vars.{goes_on}", **repeat}
    _note_results(writing, step, name)
    return [*before, {"name": name, "repeat": repeat, "steps": steps}]


def _ask(  # noqa: PLR0917  one call before the loop, one in it
    writing: Writing,
    step: WebtaskStep,
    scope: WebtaskScope,
    asked: list[str],
    goes_on: str,
    also: str = "",
) -> list[Ours]:
    """The steps that ask the page whether the loop goes on, and keep the answer."""
    steps: list[Ours] = []
    codes: list[str] = []
    for word in asked:
        name = writing.names.step(f"ask_{word}")
        if module := step.parameters.get(f"{word}Fn"):
            given: Ours = {"file": writing.module(step, module)}
        else:
            given = {"script": script(condition(str(step.parameters[word])), scope.resolve)}
        steps.append({"name": name, "action": "evaluate", "with": given})
        code = f"steps.{name}.output"
        codes.append(f"not {code}" if word == "until" else code)
    goes = " and ".join([*codes, also] if also else codes)
    return [*steps, {"action": "set", "with": {goes_on: f"{{{{ {goes} }}}}"}}]


def _bind_round(
    writing: Writing, step: WebtaskStep, inner: WebtaskScope, names: Mapping[str, str]
) -> list[Ours]:
    """Bind the names of a round. Loops within have an `item` and an `index` of their own, so for
    them the names are variables, which the step returned here sets.
    """
    nested = any(one.word in LOOPS for child in step.steps for one in child.walk())
    numbers = {"index"}
    if not nested:
        for name, code in names.items():
            inner.bound[name] = Bound(code, number=code in numbers)
        return []
    given: Ours = {}
    for name, code in names.items():
        variable = writing.names.variable(name)
        given[variable] = f"{{{{ {code} }}}}"
        inner.bound[name] = Bound(f"vars.{variable}", number=code in numbers)
    return [{"action": "set", "with": given}]


def _rounds(
    writing: Writing, step: WebtaskStep, inner: WebtaskScope, first: list[Ours]
) -> list[Ours]:
    writing.rounds += 1
    try:
        steps = writing.block(step.steps, inner)
    finally:
        writing.rounds -= 1
    if not steps:
        raise NotTranslated("no step in it was translated")
    return [*first, *steps]


def _note_results(writing: Writing, step: WebtaskStep, name: str) -> None:
    """The rounds are in the result if they have names; webtasks gives the last round's values."""
    named = [one.name for child in step.steps for one in child.walk() if one.name]
    if named and not writing.rounds:
        writing.results[name] = f"steps.{name}.output"
        writing.notes.differs(
            step.line, f"the result has all rounds in a list, `{name}`, not what the last one gave"
        )


def _call(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    called = step.parameters.get("task")
    writing.given(step, scope, "task")
    if not isinstance(called, str) or not called or "{{" in called:
        raise NotTranslated("the name of its task is not known before it runs")
    name = writing.names.step(f"call_{called.rpartition('/')[2]}")
    ours: Ours = {
        "name": name,
        "action": "call",
        "with": {"function": function_of(writing, step, called)},
    }
    if given := given_to(writing, scope, called):
        ours["with"]["input"] = given
    task = writing.around.tasks.get(called)
    if task is None:
        return [ours]
    if task.returns:
        writing.notes.differs(
            step.line,
            f"`{called}` ends with a result; in webtasks this ends the task that calls it, here "
            "its next step runs",
        )
        return [ours]
    for bound in writing.bound_by(called):
        code = member(f"steps.{name}.output", bound)
        scope.bound[bound] = Bound(code)
        if not writing.rounds:
            writing.results[bound] = code
    return [ours]


def function_of(writing: Writing, step: WebtaskStep, called: str) -> str:
    """The function that another task became."""
    functions = writing.around.functions
    name = functions.get(called) or function_name(called)
    if not name:
        raise NotTranslated(f"{called[:60]!r} is no name of a task")
    if called not in functions:
        missing = writing.notes.left_out if writing.around.is_whole else writing.notes.differs
        where = "does not exist" if writing.around.is_whole else "has to be imported too"
        missing(step.line, f"the task `{called[:80]}` {where}")
    return name


def given_to(writing: Writing, scope: WebtaskScope, called: str) -> Ours:
    """The input of a task that is called: its inputs that are bound here."""
    task = writing.around.tasks.get(called)
    given: Ours = {}
    for one in task.inputs if task else ():
        if (bound := scope.bound.get(one.name)) is not None and not bound.optional:
            given[one.name] = f"{{{{ {bound.value or bound.expression} }}}}"
    return given


def _return(writing: Writing, step: WebtaskStep, scope: WebtaskScope) -> list[Ours]:
    return writing.plain(step, scope)


CONTROL_RULES: Mapping[str, Rule] = {
    "for-each": _for_each,
    "loop": _loop,
    "call": _call,
    "return": _return,
}
