from typing import Any

import pytest

from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Artifact
from slotgrid.wire import messages as m
from tests.slotgrid.core.fakes import PLAIN
from worker.uplink.relay import BalancerLink, Counts, Relay


class FakeLink:
    """A link with all credits, that keeps what is sent on it."""

    ending = None

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def credits(self, lane: str) -> int:
        return 32

    def has_room(self, size: int) -> bool:
        return True

    def spend(self, lane: str) -> None:
        """There are enough."""

    def forget(self, lane: str) -> None:
        """Nothing is held."""

    def send(self, message: object, lane: str) -> None:
        self.sent.append(message)


def relay(protocol: str = m.PROTOCOL) -> tuple[Relay, Task, FakeLink]:
    task = Task(Submission(function=PLAIN.name), PLAIN, owner="somebody", input={})
    balancer, link = BalancerLink("boot", "name", protocol), FakeLink()
    balancer.link = link  # type: ignore[assignment]
    return Relay(task, balancer, lambda _: None), task, link


def end(relay: Relay) -> None:
    relay.ended = True
    assert relay.send_pending(lambda: Counts({"default": 1}, {}, 1))


def test_nothing_but_the_end_is_sent_for_a_task_that_writes_nothing() -> None:
    relaying, task, link = relay()
    task.log("leased")  # by the node, which each node logs itself
    end(relaying)
    assert [type(message) for message in link.sent] == [m.Done]
    assert task.logs.last_id == 1


def test_what_a_task_writes_is_said_once_and_in_order() -> None:
    relaying, task, link = relay()
    task.log("leased")
    task.log("first", step="main")
    assert not relaying.send_pending(lambda: Counts({"default": 0}, {}, 0))
    task.log("refused elsewhere")
    task.log("second", step="main")
    end(relaying)
    assert [said.line for said in link.sent if isinstance(said, m.LogMessage)] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("protocol", "names"), [("1.1", ["plain.txt"]), (m.PROTOCOL, ["Report (1).pdf", "plain.txt"])]
)
def test_a_file_of_an_earlier_attempt_goes_only_to_balancers_that_take_its_name(
    protocol: str, names: list[str]
) -> None:
    relaying, task, link = relay(protocol)
    for name in ("Report (1).pdf", "plain.txt"):
        task.artifacts[name] = Artifact.of(task.id, name, 1, "text/plain")
    end(relaying)
    assert [file.name for file in link.sent[-1].artifacts] == names
