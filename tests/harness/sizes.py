"""Tests in two sizes: `make test` runs the short form, `make test-long` the long one."""

from typing import Any

import pytest

LONG_TIMEOUT_S = 600


def long(*values: Any) -> Any:
    """A case of `parametrize` for `make test-long` alone."""
    return pytest.param(*values, marks=[pytest.mark.long, pytest.mark.timeout(LONG_TIMEOUT_S)])


def sized(name: str, *, short: Any, long_form: Any) -> pytest.MarkDecorator:
    """Run the test with the size `short`, and in `make test-long` with `long_form`."""
    return pytest.mark.parametrize(name, [short, long(long_form)])
