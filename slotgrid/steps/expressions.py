"""Expressions of templates: Jinja2's parsed tree, held to known nodes, as nested functions.

A node that is not named here is a fault: statements, calls, imports, everything that Jinja2 may
learn. The functions read JSON values only and count their work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import NotDefined, TemplateFault, nearest
from slotgrid.steps.filter_arguments import Filter, named_in
from slotgrid.steps.filter_nodes import check_node, keywords_of
from slotgrid.steps.filters import FILTERS
from slotgrid.steps.node_names import Path, name_of, path_of
from slotgrid.steps.operations import OPERATIONS, compares
from slotgrid.steps.value_tests import TESTS
from slotgrid.steps.values import as_text, checked_number, is_number, item_of, kind_of

Scope = Mapping[str, Any]
Evaluate = Callable[[Scope, Budget], Any]

NESTING_MOST = 100
"""Levels of an expression."""
_DEFAULT = "default"


@dataclass(slots=True, eq=False)
class Compiler:
    """Makes functions of nodes, and notes what they read.

    `paths` are the dotted paths that are read, `guarded` those that `default` or `is defined`
    allow to be missing; a path may be in both.
    """

    paths: set[Path] = field(default_factory=set)
    guarded: set[Path] = field(default_factory=set)
    _guards: int = 0
    _depth: int = 0

    def compile(self, node: nodes.Node) -> Evaluate:
        """The function of an expression. Raises TemplateFault."""
        compiler = _COMPILERS.get(type(node))
        if compiler is None:
            raise TemplateFault(_REFUSED.get(type(node), "only expressions and filters work here"))
        self._depth += 1
        if self._depth > NESTING_MOST:
            raise TemplateFault(f"is nested deeper than {NESTING_MOST} levels")
        try:
            return compiler(self, node)
        finally:
            self._depth -= 1

    def guarded_compile(self, node: nodes.Node) -> Evaluate:
        """The function of an expression that may read undefined names."""
        self._guards += 1
        try:
            return self.compile(node)
        finally:
            self._guards -= 1

    def note(self, path: Path) -> None:
        """Remember a path that the expression reads."""
        (self.guarded if self._guards else self.paths).add(path)


def _const(compiler: Compiler, node: nodes.Const) -> Evaluate:
    value = node.value
    if is_number(value):
        checked_number(value)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as cause:
            raise TemplateFault("a text has half of a character (a lone surrogate)") from cause
    return lambda scope, budget: value


def _text(compiler: Compiler, node: nodes.TemplateData) -> Evaluate:
    text = node.data
    return lambda scope, budget: text


def _name(compiler: Compiler, node: nodes.Name) -> Evaluate:
    name = node.name
    if name == "null":
        return lambda scope, budget: None
    if name.startswith("_"):
        raise TemplateFault(f"`{name}` begins with `_`, as no variable does")
    compiler.note((name,))

    def read(scope: Scope, budget: Budget) -> Any:
        if name in scope:
            return scope[name]
        raise NotDefined(f"`{name}` is not defined{nearest(name, scope)}")

    return read


def _attribute(compiler: Compiler, node: nodes.Getattr) -> Evaluate:
    if node.attr.startswith("_"):
        raise TemplateFault(f'`.{node.attr}` begins with `_`; a key so named is ["{node.attr}"]')
    return _member(compiler, node, node.attr)


def _item(compiler: Compiler, node: nodes.Getitem) -> Evaluate:
    if isinstance(node.arg, nodes.Slice):
        return _slice(compiler, node.node, node.arg)
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return _member(compiler, node, node.arg.value)
    base, key, name = (
        compiler.compile(node.node),
        compiler.compile(node.arg),
        f"`{name_of(node.node)}`",
    )
    return lambda scope, budget: item_of(base(scope, budget), key(scope, budget), name)


def _member(compiler: Compiler, node: nodes.Getattr | nodes.Getitem, key: str) -> Evaluate:
    name = f"`{name_of(node.node)}`"
    if path := path_of(node):
        base = _without_note(compiler, node.node)
        compiler.note(path)
    else:
        base = compiler.compile(node.node)
    return lambda scope, budget: item_of(base(scope, budget), key, name)


def _without_note(compiler: Compiler, node: nodes.Node) -> Evaluate:
    """The function of a path's beginning; the whole path is noted instead."""
    inner = Compiler(_depth=compiler._depth)
    return inner.compile(node)


def _slice(compiler: Compiler, node: nodes.Node, part: nodes.Slice) -> Evaluate:
    base, name = compiler.compile(node), name_of(node)
    bounds = [
        compiler.compile(bound) if bound else _nothing
        for bound in (part.start, part.stop, part.step)
    ]

    def cut(scope: Scope, budget: Budget) -> Any:
        value = base(scope, budget)
        limits = [bound(scope, budget) for bound in bounds]
        if not isinstance(value, list | str):
            raise TemplateFault(f"`{name}` is {kind_of(value)}, which has no parts to cut")
        if any(not isinstance(one, int | None) or isinstance(one, bool) for one in limits):
            raise TemplateFault("the bounds in [from:to] must be whole numbers")
        if limits[2] == 0:
            raise TemplateFault("the third bound in [from:to:by] must not be 0")
        budget.items(len(value) // 64 + 1)
        return value[slice(*limits)]

    return cut


def _nothing(scope: Scope, budget: Budget) -> None:
    return None


def _list(compiler: Compiler, node: nodes.List | nodes.Tuple) -> Evaluate:
    parts = [compiler.compile(item) for item in node.items]

    def build(scope: Scope, budget: Budget) -> list[Any]:
        budget.items(len(parts))
        return [part(scope, budget) for part in parts]

    return build


def _dict(compiler: Compiler, node: nodes.Dict) -> Evaluate:
    pairs = [(compiler.compile(pair.key), compiler.compile(pair.value)) for pair in node.items]

    def build(scope: Scope, budget: Budget) -> dict[str, Any]:
        budget.items(len(pairs))
        built = {}
        for key_of, value_of in pairs:
            key = key_of(scope, budget)
            if not isinstance(key, str):
                raise TemplateFault(f"a key must be a string, not {kind_of(key)}")
            built[key] = value_of(scope, budget)
        return built

    return build


def _and(compiler: Compiler, node: nodes.And) -> Evaluate:
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    return lambda scope, budget: left(scope, budget) and right(scope, budget)


def _or(compiler: Compiler, node: nodes.Or) -> Evaluate:
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    return lambda scope, budget: left(scope, budget) or right(scope, budget)


def _not(compiler: Compiler, node: nodes.Not) -> Evaluate:
    inner = compiler.compile(node.node)
    return lambda scope, budget: not inner(scope, budget)


def _condition(compiler: Compiler, node: nodes.CondExpr) -> Evaluate:
    if node.expr2 is None:
        raise TemplateFault("`a if b` needs an `else`")
    test, then = compiler.compile(node.test), compiler.compile(node.expr1)
    other = compiler.compile(node.expr2)

    def choose(scope: Scope, budget: Budget) -> Any:
        return then(scope, budget) if test(scope, budget) else other(scope, budget)

    return choose


def _compare(compiler: Compiler, node: nodes.Compare) -> Evaluate:
    first = compiler.compile(node.expr)
    rest = [(operand.op, compiler.compile(operand.expr)) for operand in node.ops]

    def holds(scope: Scope, budget: Budget) -> bool:
        left = first(scope, budget)
        for name, right_of in rest:
            right = right_of(scope, budget)
            if not compares(name, left, right, budget):
                return False
            left = right
        return True

    return holds


def _concat(compiler: Compiler, node: nodes.Concat) -> Evaluate:
    return joined([compiler.compile(part) for part in node.nodes])


def joined(parts: list[Evaluate]) -> Evaluate:
    """The function that joins the texts of its parts."""

    def join(scope: Scope, budget: Budget) -> str:
        texts = []
        for part in parts:
            text = as_text(part(scope, budget), budget)
            budget.text(len(text))
            texts.append(text)
        return "".join(texts)

    return join


def _sign(compiler: Compiler, node: nodes.Neg | nodes.Pos) -> Evaluate:
    inner, minus = compiler.compile(node.node), isinstance(node, nodes.Neg)

    def signed(scope: Scope, budget: Budget) -> Any:
        value = inner(scope, budget)
        if not is_number(value):
            raise TemplateFault(f"{kind_of(value)} has no sign")
        return checked_number(-value) if minus else value

    return signed


def _binary(compiler: Compiler, node: nodes.BinExpr) -> Evaluate:
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    work = OPERATIONS[type(node)]
    return lambda scope, budget: work(left(scope, budget), right(scope, budget), budget)


def _filter(compiler: Compiler, node: nodes.Filter) -> Evaluate:
    if node.node is None:
        raise TemplateFault("a filter stands behind a value: `value|filter`")
    if node.name == _DEFAULT:
        return _default(compiler, node)
    return _applied(compiler, node, named_in(FILTERS, node.name, "filter"), f"`{node.name}`")


def _applied(
    compiler: Compiler, node: nodes.Filter | nodes.Test, work: Filter, name: str
) -> Evaluate:
    """The function that applies a filter or test to a value with arguments."""
    assert node.node is not None
    value_of = compiler.compile(node.node)
    positional, named = _arguments(compiler, node)
    check_node(node, name, work)

    def apply(scope: Scope, budget: Budget) -> Any:
        value = value_of(scope, budget)
        arguments = [one(scope, budget) for one in positional]
        options = {key: one(scope, budget) for key, one in named.items()}
        try:
            return work(budget, value, *arguments, **options)
        except NotDefined as fault:
            raise NotDefined(f"{name}: {fault.message}") from fault
        except TemplateFault as fault:
            raise TemplateFault(f"{name}: {fault.message}") from fault

    return apply


def _arguments(
    compiler: Compiler, node: nodes.Filter | nodes.Test
) -> tuple[list[Evaluate], dict[str, Evaluate]]:
    if node.dyn_args or node.dyn_kwargs:
        raise TemplateFault(f"`{node.name}` takes no `*` or `**`")
    positional = [compiler.compile(one) for one in node.args]
    return positional, {one.key: compiler.compile(one.value) for one in keywords_of(node)}


def _default(compiler: Compiler, node: nodes.Filter) -> Evaluate:
    """`default(value, boolean)`: the only filter whose value may be missing."""
    assert node.node is not None
    value_of = compiler.guarded_compile(node.node)
    positional, named = _arguments(compiler, node)
    names = ["default_value", "boolean"][: len(positional)]
    given = dict(zip(names, positional, strict=False)) | named
    if len(positional) > 2 or given.keys() - {"default_value", "boolean"}:
        raise TemplateFault("`default` takes a value and perhaps `true`")
    other, also_false = given.get("default_value", _empty), given.get("boolean", _nothing)

    def choose(scope: Scope, budget: Budget) -> Any:
        try:
            value = value_of(scope, budget)
        except NotDefined:
            return other(scope, budget)
        return other(scope, budget) if not value and also_false(scope, budget) else value

    return choose


def _empty(scope: Scope, budget: Budget) -> str:
    return ""


def _test(compiler: Compiler, node: nodes.Test) -> Evaluate:
    if node.name in {"defined", "undefined"}:
        if node.args or node.kwargs:
            raise TemplateFault(f"`{node.name}` takes no arguments")
        value_of, wanted = compiler.guarded_compile(node.node), node.name == "defined"

        def is_there(scope: Scope, budget: Budget) -> bool:
            try:
                value_of(scope, budget)
            except NotDefined:
                return not wanted
            return wanted

        return is_there
    return _applied(compiler, node, named_in(TESTS, node.name, "test"), f"`is {node.name}`")


_COMPILERS: Mapping[type[nodes.Node], Callable[[Compiler, Any], Evaluate]] = {
    nodes.Const: _const,
    nodes.TemplateData: _text,
    nodes.Name: _name,
    nodes.Getattr: _attribute,
    nodes.Getitem: _item,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _dict,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.CondExpr: _condition,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.Neg: _sign,
    nodes.Pos: _sign,
    nodes.Filter: _filter,
    nodes.Test: _test,
    **dict.fromkeys(OPERATIONS, _binary),
}
"""The nodes that templates may have; any other is refused."""

_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Call: "nothing can be called; filters do such work, as in `{{ value|trim }}`",
}
