"""docs/flows.md: its flows pass the check of the balancer, its commands answer as it says."""

import re
from pathlib import Path

import pytest

from balancer.flows.flow_files import FlowFolder
from tests.docs.pages import DOCS
from tests.docs.reader import Reader, fleet
from tests.harness.processes.home import Home, home

__all__ = ["home"]

PAGE = DOCS / "flows.md"


def test_each_flow_of_the_page_passes_the_check(tmp_path: Path) -> None:
    texts = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for number, text in enumerate(texts):
        (tmp_path / f"flow_{number}.yaml").write_text(text)
    flows, broken = FlowFolder(tmp_path).read()
    assert broken == []
    assert len(flows) == len(texts) > 0


def test_the_fault_of_the_page_is_what_the_balancer_says(tmp_path: Path) -> None:
    page = PAGE.read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    wrong = text.replace("  - name: all\n", "  - name: all\n    needs: [each, greet]\n")
    (tmp_path / "wrong.yaml").write_text(wrong)
    _, (fault,) = FlowFolder(tmp_path).read()
    assert fault.error in page


@pytest.mark.timeout(200)
def test_every_command_answers_as_the_page_says(home: Home) -> None:
    with fleet(home) as started:
        compared = list(Reader(started).follows(PAGE))
    shown = [pair for pair in compared if not pair[0].startswith("line 1")]
    assert len(shown) == 2
    for promised, answered in shown:
        assert answered == promised
