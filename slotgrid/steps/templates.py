"""Templates: JSON values whose strings hold expressions, compiled once and filled from a scope."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser

from slotgrid.core.errors import pointer
from slotgrid.steps.budget import Budget
from slotgrid.steps.environment import ENVIRONMENT
from slotgrid.steps.expressions import Compiler, Evaluate, Scope, joined
from slotgrid.steps.faults import NotDefined, TemplateFault
from slotgrid.steps.node_names import Path

SOURCE_MOST = 8_000
"""Characters of a text that has templates. A longer text without any is no template."""
CACHED_MOST = 20_000
"""Compiled texts that are kept, so that the reload of a file compiles only what changed."""
_SHOWN_MOST = 80
_NO_PATHS: frozenset[Path] = frozenset()
_FALSE_TEXTS = frozenset({"", "false", "0"})


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled JSON value. Its keys are no templates.

    `paths`: the dotted paths that it reads, such as ("steps", "rows", "output"). `guarded`: those
    that it reads behind `default` or `is defined` only.
    """

    value: Any
    """The value as it was given."""
    paths: frozenset[Path] = _NO_PATHS
    guarded: frozenset[Path] = _NO_PATHS
    evaluate: Evaluate | None = field(default=None, repr=False)
    keeps_type: bool = False
    """Whether the value is one template and nothing else."""

    @property
    def is_constant(self) -> bool:
        """Whether the value has no template."""
        return self.evaluate is None

    def render(self, scope: Scope) -> Any:
        """The value with its templates filled. A constant is the given value itself, not a copy.

        Raises TemplateFault.
        """
        if self.evaluate is None:
            return self.value
        try:
            return self.evaluate(scope, Budget())
        except RecursionError as cause:
            raise TemplateFault(f"{_named(self.value)}: a value is nested too deeply") from cause


def compile_template(value: Any) -> Template:
    """The template of a JSON value. Raises TemplateFault, with a pointer into the value."""
    if isinstance(value, str):
        return _compile_text(value) if "{{" in value or "{%" in value else Template(value)
    parts: list[tuple[str | int, Template]]
    if isinstance(value, list):
        parts = [(index, _compile_part(index, part)) for index, part in enumerate(value)]
    elif isinstance(value, Mapping):
        parts = [(key, _compile_part(key, part)) for key, part in value.items()]
    else:
        return Template(value)
    live = [(key, part.evaluate) for key, part in parts if part.evaluate is not None]
    if not live:
        return Template(value)
    return Template(
        value,
        frozenset[Path]().union(*(part.paths for _, part in parts)),
        frozenset[Path]().union(*(part.guarded for _, part in parts)),
        _filled(value, live),
    )


def _compile_part(key: str | int, part: Any) -> Template:
    try:
        if isinstance(key, str) and "{{" in key:
            raise TemplateFault(f"{_named(key)}: a key cannot be a template")  # noqa: TRY301
        return compile_template(part)
    except TemplateFault as fault:
        raise TemplateFault(fault.message, pointer([key]) + fault.pointer) from fault


def _filled(value: Any, live: Iterable[tuple[Any, Evaluate]]) -> Evaluate:
    """The function that copies a list or object and fills the parts that have templates."""

    def fill(scope: Scope, budget: Budget) -> Any:
        copied = value.copy()
        for key, evaluate in live:
            copied[key] = evaluate(scope, budget)
        return copied

    return fill


@lru_cache(maxsize=CACHED_MOST)
def _compile_text(text: str) -> Template:
    if len(text) > SOURCE_MOST:
        raise TemplateFault(
            f"{_named(text)}: a text with templates has at most {SOURCE_MOST:,} characters, "
            f"got {len(text):,}"
        )
    with _Faults(text):
        _refuse_statements(text)
        parts = [
            part
            for output in ENVIRONMENT.parse(text).body
            for part in (output.nodes if isinstance(output, nodes.Output) else [output])
        ]
        # A block of YAML ends in a line break, which is not meant as text.
        if len(parts) == 2 and isinstance(parts[1], nodes.TemplateData):
            parts = parts[:1] if not parts[1].data.strip("\n") else parts
        compiler = Compiler()
        functions = [compiler.compile(part) for part in parts]
    if len(functions) == 1:
        return _template(text, compiler, functions[0], keeps_type=True)
    return _template(text, compiler, joined(functions))


def _refuse_statements(text: str) -> None:
    """Raise TemplateFault for statements, comments and raw blocks, which Jinja2 would hide."""
    if "{%" in text or "{#" in text:
        for _, token, _ in ENVIRONMENT.lexer.tokeniter(text, None):
            if token in {"block_begin", "comment_begin", "raw_begin"}:
                raise TemplateFault(
                    "statements and comments (`{% %}`, `{# #}`) do not work; "
                    "use the keys `when`, `for_each`, `repeat`"
                )


def _template(
    text: str, compiler: Compiler, evaluate: Evaluate, *, keeps_type: bool = False
) -> Template:
    def named(scope: Scope, budget: Budget) -> Any:
        try:
            return evaluate(scope, budget)
        except NotDefined as fault:
            raise NotDefined(f"{_named(text)}: {fault.message}") from fault
        except TemplateFault as fault:
            raise TemplateFault(f"{_named(text)}: {fault.message}") from fault

    paths, guarded = frozenset(compiler.paths), frozenset(compiler.guarded)
    return Template(text, paths, guarded, named, keeps_type)


class _Faults:
    """Names the template in the faults of its parsing."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemplateFault):
            raise TemplateFault(f"{_named(self._text)}: {error.message}") from error
        if isinstance(error, TemplateSyntaxError):
            message = (error.message or "").replace("print statement", "template")
            if message.startswith("unexpected end of template"):
                message = "it ends too early; is `}}`, a bracket or a quote missing?"
            raise TemplateFault(f"{_named(self._text)}: {message}") from error
        if isinstance(error, RecursionError):
            raise TemplateFault(f"{_named(self._text)}: is nested too deeply") from error
        if isinstance(error, ValueError):  # numbers of thousands of digits
            raise TemplateFault(f"{_named(self._text)}: a number is too long") from error


def _named(text: Any) -> str:
    if not isinstance(text, str):
        return "the template"
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= _SHOWN_MOST else f"`{line[:_SHOWN_MOST]}...`"


@dataclass(frozen=True, slots=True)
class Condition:
    """What `when`, `while` or `until` says: expressions that must all be true."""

    expressions: tuple[Template, ...]

    @property
    def paths(self) -> frozenset[Path]:
        """The dotted paths that the expressions read."""
        return frozenset[Path]().union(*(one.paths for one in self.expressions))

    @property
    def guarded(self) -> frozenset[Path]:
        """The paths behind `default` or `is defined`."""
        return frozenset[Path]().union(*(one.guarded for one in self.expressions))

    def holds(self, scope: Scope) -> bool:
        """Whether all expressions are true, by `is_true`. Raises TemplateFault."""
        return all(is_true(one.render(scope)) for one in self.expressions)


def is_true(value: Any) -> bool:
    """False for null, false, 0, "", "false", "0", [] and {}; true for anything else."""
    return value not in _FALSE_TEXTS if isinstance(value, str) else bool(value)


def compile_condition(value: Any) -> Condition:
    """The condition of a string, a boolean or a list of them. Raises TemplateFault."""
    if isinstance(value, list):
        if not value:
            raise TemplateFault("the list of conditions is empty")
        return Condition(tuple(_compile_in_list(index, part) for index, part in enumerate(value)))
    return Condition((_compile_condition(value),))


def _compile_in_list(index: int, part: Any) -> Template:
    try:
        return _compile_condition(part)
    except TemplateFault as fault:
        raise TemplateFault(fault.message, f"/{index}") from fault


def _compile_condition(value: Any) -> Template:
    if isinstance(value, bool):
        return Template(value)
    if not isinstance(value, str):
        raise TemplateFault("a condition is an expression or a boolean, or a list of them")
    text = value.strip()
    if not text:
        raise TemplateFault("the condition is empty")
    return _compile_expression(text) if "{{" not in text else _compile_braces(text)


def _compile_braces(text: str) -> Template:
    template = _compile_text(text)
    if not template.keeps_type:
        raise TemplateFault(
            f"{_named(text)}: a condition is one expression, with all of it in the braces"
        )
    return template


@lru_cache(maxsize=CACHED_MOST)
def _compile_expression(text: str) -> Template:
    if len(text) > SOURCE_MOST:
        raise TemplateFault(f"{_named(text)}: has more than {SOURCE_MOST:,} characters")
    with _Faults(text):
        parser = Parser(ENVIRONMENT, text, state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateFault(f'unexpected "{parser.stream.current.value}"')
        compiler = Compiler()
        evaluate = compiler.compile(expression)
    return _template(text, compiler, evaluate, keeps_type=True)
