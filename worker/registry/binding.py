"""From JSON to a function's arguments and back, by its signature.

The first parameter is the context, whatever its name; the others are the input's properties.
Apart from the schemas, for a child process that runs a function has no use for those.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

import msgspec

from slotgrid.core.errors import InvalidInput, Violation
from slotgrid.core.events import NotJson, encode_json

ANY: Any = Any


class SignatureFault(ValueError):
    """The signature, or a schema given instead of it, cannot be used; the text says why."""


@dataclass(frozen=True)
class Binding:
    """How JSON becomes a function's arguments.

    `types` has what each of them is converted to: anything, where the schema was given by hand
    and values stay as JSON has them. `open_ended` says whether it takes more names than these.
    """

    context: str
    parameters: tuple[inspect.Parameter, ...]
    types: Mapping[str, Any]
    open_ended: bool

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for an input; what was not given is left to Python's defaults.

        Raises InvalidInput for what `faults` names.
        """
        whole = self._at_once(given)
        if whole is not None:
            return {name: getattr(whole, name) for name in given}
        arguments, faults = self._convert(given)
        if faults:
            raise InvalidInput(f"{faults[0].pointer}: {faults[0].message}", errors=faults)
        return arguments

    def faults(self, given: Mapping[str, Any]) -> list[Violation]:
        """What a JSON Schema cannot say: a date that is none, a name that is not taken."""
        return [] if self._at_once(given) is not None else self._convert(given)[1]

    @cached_property
    def _boxes(self) -> Mapping[str, Any]:
        """Each type in a struct of one value: any but a struct's is analysed anew at each call."""
        return {name: _box(kind) for name, kind in self.types.items()}

    @cached_property
    def _whole(self) -> Any:
        """All types in one struct; None where names beyond them are taken."""
        if self.open_ended:
            return None
        fields = [(name, kind, msgspec.UNSET) for name, kind in self.types.items()]
        return msgspec.defstruct("Arguments", fields, forbid_unknown_fields=True)

    def _at_once(self, given: Mapping[str, Any]) -> Any:
        """What nearly every input is: right as a whole. None when it must be looked at in parts."""
        if self._whole is None:
            return None
        try:
            return msgspec.convert(given, self._whole)
        except Exception:  # whatever it is, `_convert` finds it again, and has words for it
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
                faults.append(Violation(f"/{name}", _in_words(cause)))
        return arguments, faults


def read_binding(function: Callable[..., Any], *, converted: bool = True) -> Binding:
    """Read how the function is called. Raises SignatureFault when it cannot be, by name.

    converted: whether the annotations say what values become.
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


def plain_json(value: Any) -> Any:
    """`value` as JSON would give it back: see `json_bytes`."""
    return msgspec.json.decode(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """`value` as JSON: dataclasses as objects, enums as their values.

    Raises NotJson for what has no JSON form. Half a surrogate pair becomes U+FFFD.
    """
    try:
        try:
            return msgspec.json.encode(value)
        except UnicodeEncodeError:
            return encode_json(msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, OverflowError, RecursionError) as cause:
        raise NotJson(f"not JSON: {cause}") from cause


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
    """The annotation as a type; one that is missing means any JSON.

    Resolved one by one, for the context's may be imported for type checkers only.
    """
    if annotation is inspect.Signature.empty:
        return ANY
    holder = type("_", (), {"__annotations__": {name: annotation}})
    try:
        globals_ = getattr(inspect.unwrap(function), "__globals__", {})
        return get_type_hints(holder, globalns=globals_, include_extras=True)[name]
    except Exception as cause:  # evaluating text that an author wrote may raise anything
        raise SignatureFault(f"`{name}`: the annotation {annotation!r} fails: {cause}") from cause


def _box(kind: Any) -> Any:
    return msgspec.defstruct("Box", [("value", kind)], array_like=True)


_ANY_BOX = _box(ANY)


def _in_words(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        text = str(error).removesuffix(" - at `$[0]`").replace("$[0]", "$")
        return text.replace("`", "").replace("$.", "").replace("$", "")
    return f"{type(error).__name__}: {error}"
