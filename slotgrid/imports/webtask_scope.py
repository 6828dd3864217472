"""What the names of a webtasks task stand for at one place of the recipe that is made of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from slotgrid.imports.notes import Notes
from slotgrid.imports.webtask_templates import Bound, member, quoted

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_STEP_MOST = 58


@dataclass(slots=True, eq=False)
class Names:
    """What one recipe uses: names of steps and variables, secrets, and undeclared inputs."""

    declared_secrets: Mapping[str, str | None]
    """The secrets of the bundle, with their default values."""
    notes: Notes
    taken: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    secrets: dict[str, None] = field(default_factory=dict)
    undeclared: dict[str, None] = field(default_factory=dict)

    def step(self, wanted: str) -> str:
        """A free name of a step that is like this one."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", wanted)
        base = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:_STEP_MOST].strip("_")
        if not base or not base[0].isalpha():
            base = f"step_{base}".strip("_")
        return _free(base, self.taken)

    def variable(self, wanted: str) -> str:
        """A free name of a variable that is like this one."""
        base = re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_")[:_STEP_MOST]
        if not base or not base[0].isalpha():
            base = f"value_{base}".strip("_")
        return _free(base[0].lower() + base[1:], self.variables)


@dataclass(frozen=True, slots=True, eq=False)
class WebtaskScope:
    """The names that are bound at one place; what they stand for."""

    names: Names
    bound: dict[str, Bound]
    line: int = 0

    def within(self) -> "WebtaskScope":
        """The scope of a loop's rounds: it sees these names, and keeps its own."""
        return WebtaskScope(self.names, dict(self.bound))

    def at(self, line: int) -> "WebtaskScope":
        """The same names, for notes on a line."""
        return WebtaskScope(self.names, self.bound, line)

    def resolve(self, name: str) -> Bound:
        """The source of a name: a binding, a variable of the environment, else an input."""
        if (found := self.bound.get(name)) is not None:
            return found
        names = self.names
        if name in names.declared_secrets or _VARIABLE.fullmatch(name):
            if name not in names.secrets:
                names.secrets[name] = None
                names.notes.differs(
                    self.line,
                    f"`{{{{{name}}}}}` is a variable of the environment: here it is a secret, "
                    "which is redacted in all that the task says",
                )
            default = names.declared_secrets.get(name)
            code = member("secrets", name)
            value = "" if default is None else f"{code}|default({quoted(default)}, true)"
            return Bound(code, value=value, text=True)
        if name not in names.undeclared:
            names.undeclared[name] = None
            names.notes.differs(
                self.line, f"nothing here binds `{name}`: it became an input that may be left out"
            )
        return Bound(member("input", name), optional=True)


def _free(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name
