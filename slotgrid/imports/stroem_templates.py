"""Templates of Strøm (Tera) as ours: what has no counterpart is refused, and never guessed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.templates import compile_condition, compile_template

_TEMPLATE = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\d+(?:\.\d+)?|[A-Za-z_]\w*|[=!<>]=|.""",
    re.DOTALL | re.ASCII,
)
_WORDS = frozenset(
    {"and", "or", "not", "in", "is", "true", "false", "if", "else", "none", "null", "defined"}
    | {"undefined", "odd", "even", "string", "number", "divisibleby", "iterable", "object"}
)
FILTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "upper": ("upper", ()),
    "lower": ("lower", ()),
    "trim": ("trim", ()),
    "title": ("title", ()),
    "capitalize": ("capitalize", ()),
    "length": ("length", ()),
    "first": ("first", ()),
    "last": ("last", ()),
    "reverse": ("reverse", ()),
    "abs": ("abs", ()),
    "int": ("int", ("default",)),
    "float": ("float", ("default",)),
    "escape": ("escape", ()),
    "urlencode": ("urlencode", ()),
    "json_encode": ("tojson", ()),
    "default": ("default", ("value",)),
    "join": ("join", ("sep",)),
    "replace": ("replace", ("from", "to")),
    "split": ("split", ("pat",)),
    "round": ("round", ("precision",)),
}
"""Filters of Tera: ours, and the names of their arguments in our order."""
SAFE = "safe"
"""Marks a text as HTML, which nothing escapes here."""


class Untranslatable(ValueError):
    """A template has no counterpart; the text says why."""


Names = Callable[[str, tuple[str, ...]], str]
"""Our expression for a name of Tera and the members that follow it; `Untranslatable` if none."""


@dataclass(frozen=True, slots=True)
class Templates:
    """Translates the templates of one place: `names` says what its names are."""

    names: Names

    def value(self, value: object) -> object:
        """A JSON value with its templates translated. Raises Untranslatable."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value

    def text(self, text: str) -> str:
        """A text with templates. Raises Untranslatable."""
        written = self._translated(text)
        try:
            compile_template(written)
        except TemplateFault as fault:
            raise Untranslatable(f"`{_short(text)}` is no template here: {fault}") from fault
        return written

    def condition(self, value: object) -> object:
        """A condition: a text, a boolean, or a list of them. Raises Untranslatable."""
        parts = value if isinstance(value, list) else [value]
        written = [self._translated(part) if isinstance(part, str) else part for part in parts]
        try:
            compile_condition(written)
        except TemplateFault as fault:
            raise Untranslatable(f"`{_short(value)}` is no condition here: {fault}") from fault
        return written if isinstance(value, list) else written[0]

    def _translated(self, text: str) -> str:
        if "{%" in text or "{#" in text:
            raise Untranslatable(f"`{_short(text)}` has statements or comments of Tera")
        return _TEMPLATE.sub(lambda found: f"{{{{ {self._expression(found[1])} }}}}", text)

    def _expression(self, text: str) -> str:
        return _Expression([t for t in _TOKEN.findall(text) if t.strip()], self.names).written()


class _Expression:
    """One expression, token by token."""

    def __init__(self, tokens: list[str], names: Names) -> None:
        self._tokens = tokens
        self._names = names
        self._at = 0

    def written(self) -> str:
        parts: list[str] = []
        while self._at < len(self._tokens):
            parts.append(self._next(parts[-1] if parts else ""))
        return " ".join(part for part in parts if part)

    def _next(self, before: str) -> str:
        taken = self._take()
        if taken == "|":
            return self._filter()
        if taken.startswith("`"):
            return '"' + taken[1:-1].replace("\\", "\\\\").replace('"', '\\"') + '"'
        if not (taken[0].isalpha() or taken[0] == "_"):
            return taken
        if (taken in _WORDS and self._peek() not in {".", "["}) or before == "is":
            return "none" if taken == "null" else taken
        if self._peek() == "(":
            raise Untranslatable(f"the function `{taken}` of Tera")
        return self._path(taken)

    def _path(self, name: str) -> str:
        members: list[str] = []
        while self._peek() in {".", "["}:
            if self._take() == ".":
                # `rows.0.1` is read as the number 0.1 behind a point.
                members += [f"[{n}]" if n.isdigit() else f".{n}" for n in self._take().split(".")]
            else:
                members.append(f"[{self._until_bracket()}]")
        return self._names(name, tuple(members))

    def _until_bracket(self) -> str:
        inner: list[str] = []
        while self._peek() != "]":
            if not self._peek():
                raise Untranslatable("a bracket is not closed")
            inner.append(self._next(inner[-1] if inner else ""))
        self._take()
        return " ".join(inner)

    def _filter(self) -> str:
        name = self._take()
        if name == SAFE:
            return ""
        if name not in FILTERS:
            raise Untranslatable(f"the filter `{name}` of Tera")
        ours, arguments = FILTERS[name]
        given = self._arguments(name) if self._peek() == "(" else {}
        unknown = given.keys() - set(arguments)
        if unknown:
            raise Untranslatable(f"the argument `{min(unknown)}` of the filter `{name}`")
        values = [given[one] for one in arguments if one in given]
        if len(values) != len(arguments[: len(values)]) or list(given)[: len(values)] != [
            one for one in arguments if one in given
        ]:
            raise Untranslatable(f"the arguments of the filter `{name}`")
        return f"|{ours}({', '.join(values)})" if values else f"|{ours}"

    def _arguments(self, name: str) -> dict[str, str]:
        self._take()
        found: dict[str, str] = {}
        while self._peek() != ")":
            key, equals = self._take(), self._take()
            if equals != "=":
                raise Untranslatable(f"the arguments of the filter `{name}`")
            value: list[str] = []
            while self._peek() not in {",", ")", ""}:
                value.append(self._next(value[-1] if value else ""))
            found[key] = " ".join(value)
            if self._peek() == ",":
                self._take()
            elif self._peek() == "":
                raise Untranslatable(f"the arguments of the filter `{name}` are not closed")
        self._take()
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
