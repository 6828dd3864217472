"""What the guard reports of refusals: all are counted, a bounded number is worth a line."""

from slotgrid.net.addresses import AddressPolicy
from worker.guard.context_guard import MAX_REPORTS, ContextGuard
from worker.guard.requests import Request, Target
from worker.guard.routes import Direct
from worker.guard.rules import Refused, Rules


async def test_a_page_that_tries_without_end_gets_a_bounded_number_of_lines() -> None:
    reported: list[bool] = []
    guard = ContextGuard(
        Rules(AddressPolicy(), node_port=3000),
        Direct(),
        lambda _refused, _task, is_new: reported.append(is_new),
    )
    for number in range(3 * MAX_REPORTS):
        target = Target(f"host-{number % (2 * MAX_REPORTS)}.example", 80)
        request = Request("GET", target, "/", b"", chunked=False, upgrade=False)
        guard.refused(request, Refused(target, "10.0.0.1", "private", "no"))
    assert len(reported) == 3 * MAX_REPORTS
    assert reported == [True] * MAX_REPORTS + [False] * 2 * MAX_REPORTS
