"""Checks of the filters and tests in a parsed template, before it ever runs."""

from collections.abc import Mapping
from typing import cast

from jinja2 import nodes

from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.filter_arguments import Filter, check_arguments, named_in
from slotgrid.steps.filters import FILTERS
from slotgrid.steps.value_tests import TESTS

_BY_NAME: Mapping[str, tuple[int, Mapping[str, Filter], str]] = {
    "map": (0, FILTERS, "filter"),
    "select": (0, TESTS, "test"),
    "reject": (0, TESTS, "test"),
    "selectattr": (1, TESTS, "test"),
    "rejectattr": (1, TESTS, "test"),
}
"""The filters that apply another by its name: which argument is the name, and of what."""


def check_node(node: nodes.Filter | nodes.Test, name: str, work: Filter) -> None:
    """Raise TemplateFault for arguments that the filter or test cannot take."""
    try:
        check_arguments(work, len(node.args), [option.key for option in keywords_of(node)])
        if isinstance(node, nodes.Filter) and node.name in _BY_NAME:
            index, table, what = _BY_NAME[node.name]
            if len(node.args) > index and isinstance(other := node.args[index], nodes.Const):
                named_in(table, other.value, what)
    except TemplateFault as fault:
        raise TemplateFault(f"{name}: {fault.message}") from fault


def keywords_of(node: nodes.Filter | nodes.Test) -> list[nodes.Keyword]:
    """The named arguments."""
    return cast("list[nodes.Keyword]", node.kwargs)
