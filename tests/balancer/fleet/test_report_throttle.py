import pytest

from balancer.fleet.message_limits import REPORTS_LIMIT
from balancer.fleet.report_throttle import ReportThrottle
from slotgrid.wire.encoding import ProtocolFault
from slotgrid.wire.limits import REPORT_WITHIN_S
from tests.slotgrid.core.fakes import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_report_that_keeps_to_the_protocol_is_acted_upon_at_once(clock: ManualClock) -> None:
    pace = ReportThrottle(clock)
    for _ in range(5):
        assert pace.pause_s() == 0.0
        clock.advance(REPORT_WITHIN_S)


def test_one_that_comes_too_soon_waits_for_its_time(clock: ManualClock) -> None:
    pace = ReportThrottle(clock)
    assert pace.pause_s() == 0.0
    clock.advance(REPORT_WITHIN_S / 4)
    assert pace.pause_s() == pytest.approx(REPORT_WITHIN_S * 3 / 4)
    clock.advance(REPORT_WITHIN_S * 3 / 4)
    assert pace.pause_s() == pytest.approx(REPORT_WITHIN_S)


def test_more_than_the_limit_in_a_second_is_a_fault_and_over_two_seconds_is_none(
    clock: ManualClock,
) -> None:
    pace = ReportThrottle(clock)
    for _ in range(2):
        clock.advance(1.0)
        for _ in range(REPORTS_LIMIT):
            pace.count()
    with pytest.raises(ProtocolFault, match="reports in a second"):
        pace.count()
