"""Converts JSON to a function's arguments, by the signature.

The first parameter is the context, whatever its name; the others are the input's properties.
Separate from the schemas, which a child process that runs a function does not need.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

import msgspec

from slotgrid.core.errors import InvalidInput, Violation

ANY: Any = Any


class SignatureFault(ValueError):
    """An unusable signature, or an unusable schema given instead of it; the text says why."""


@dataclass(frozen=True)
class Binding:
    """How JSON becomes a function's arguments.

    `types` has the target type of each parameter: `Any` if the schema was given by hand, so that
    values stay plain JSON. `open_ended`: the function accepts further names (`**kwargs`).
    """

    context: str
    parameters: tuple[inspect.Parameter, ...]
    types: Mapping[str, Any]
    open_ended: bool

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for an input; Python's defaults fill missing names.

        Raises InvalidInput with the violations that `faults` returns.
        """
        whole = self._at_once(given)
        if whole is not None:
            return {name: getattr(whole, name) for name in given}
        arguments, faults = self._convert(given)
        if faults:
            raise InvalidInput(f"{faults[0].pointer}: {faults[0].message}", errors=faults)
        return arguments

    def faults(self, given: Mapping[str, Any]) -> list[Violation]:
        """Violations that a JSON Schema cannot express: an invalid date, an unknown name."""
        return [] if self._at_once(given) is not None else self._convert(given)[1]

    @cached_property
    def _boxes(self) -> Mapping[str, Any]:
        """Each type in a struct of one value, as msgspec analyses other types at each call."""
        return {name: _box(kind) for name, kind in self.types.items()}

    @cached_property
    def _whole(self) -> Any:
        """All types in one struct; None if the function accepts further names."""
        if self.open_ended:
            return None
        fields = [(name, kind, msgspec.UNSET) for name, kind in self.types.items()]
        return msgspec.defstruct("Arguments", fields, forbid_unknown_fields=True)

    def _at_once(self, given: Mapping[str, Any]) -> Any:
        """Fast path: convert the whole input. None if it must be converted value by value."""
        if self._whole is None:
            return None
        try:
            return msgspec.convert(given, self._whole)
        except Exception:  # `_convert` finds the same fault and describes it
            return None

    def _convert(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
        arguments: dict[str, Any] = {}
        faults: list[Violation] = []
        boxes = self._boxes
        for name, value in given.items():
            if not self.open_ended and name not in self.types:
                faults.append(Violation(f"/{name}", "the function has no such parameter"))
                continue
            try:
                arguments[name] = msgspec.convert((value,), boxes.get(name, _ANY_BOX)).value
            except Exception as cause:  # an author's `__post_init__` may raise anything
                inside, message = _fault(cause)
                faults.append(Violation(f"/{name}{inside}", message))
        return arguments, faults


def read_binding(function: Callable[..., Any], *, converted: bool = True) -> Binding:
    """Read the signature. Raises SignatureFault if the inputs cannot be passed by name.

    converted: whether values are converted to the annotated types.
    """
    context, *parameters = _parameters(function)
    named = tuple(p for p in parameters if p.kind is not p.VAR_KEYWORD)
    return Binding(
        context=context.name,
        parameters=named,
        types={
            p.name: annotation_of(function, p.name, p.annotation) if converted else ANY
            for p in named
        },
        open_ended=len(named) < len(parameters),
    )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in positional:
        raise SignatureFault("the first parameter must be the context")
    for parameter in parameters[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise SignatureFault(f"`*{parameter.name}` cannot be given by name")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise SignatureFault(f"parameter `{parameter.name}` cannot be given by name")
    return parameters


def annotation_of(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    """The annotation as a type; a missing one means any JSON. Raises SignatureFault.

    Resolved one by one, as the context's type may be imported for type checkers only.
    """
    if annotation is inspect.Signature.empty:
        return ANY
    holder = type("_", (), {"__annotations__": {name: annotation}})
    try:
        globals_ = getattr(inspect.unwrap(function), "__globals__", {})
        return get_type_hints(holder, globalns=globals_, include_extras=True)[name]
    except Exception as cause:  # an author's annotation may raise anything
        raise SignatureFault(f"`{name}`: the annotation {annotation!r} fails: {cause}") from cause


def _box(kind: Any) -> Any:
    return msgspec.defstruct("Box", [("value", kind)], array_like=True)


_ANY_BOX = _box(ANY)
_AT = re.compile(r"(.*) - at `(?:key in )?\$\[0\](.*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def _fault(error: Exception) -> tuple[str, str]:
    """Where in the value the fault is, as a JSON pointer, and the fault in one sentence."""
    if not isinstance(error, msgspec.ValidationError):
        return "", f"{type(error).__name__}: {error}"
    text, path = str(error), ""
    if found := _AT.fullmatch(text):
        text, path = found[1], found[2]
    inside = "".join(f"/{name or index}" for name, index in _STEP.findall(path.split("[...]")[0]))
    return inside, text
