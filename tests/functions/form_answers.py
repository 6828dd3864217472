"""What the site shows of a form that arrived."""

import json
import re
from typing import Any

import pytest

from functions.fill_form import FormOutcome

WAITING = ("form_fields", "obstacles", "field_choices", "field_texts", "buttons")


def received(outcome: FormOutcome) -> dict[str, Any]:
    """Return what arrived; a name that came once has its value, others have lists."""
    found = re.search(r"\{.*\}", outcome.text)
    assert found is not None, outcome
    return {
        name: values[0] if len(values) == 1 else values
        for name, values in json.loads(found[0]).items()
    }


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for what never comes."""
    for module in WAITING:
        monkeypatch.setattr(f"worker.pages.{module}.FIELD_S", 1.0)
    monkeypatch.setattr("worker.pages.buttons.DISMISS_S", 1.0)
    monkeypatch.setattr("worker.pages.submitting.REACT_S", 1.0)
