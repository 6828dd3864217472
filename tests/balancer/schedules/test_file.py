"""`schedules.yaml`: read, read again, faulty, and beside schedules of the API."""

from pathlib import Path

import pytest

from balancer.schedules.schedules_file import SchedulesFault, parse_schedules
from tests.balancer.schedules.test_api import make
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.waiting import until

GOOD = """
- name: nightly
  cron: "0 3 * * *"
  function: echo
  input: {value: 1}
- {name: hourly, cron: "0 * * * *", function: echo, owner: alice, enabled: false}
"""


def test_a_file_has_schedules_with_their_defaults() -> None:
    nightly, hourly = parse_schedules(GOOD.encode())
    assert (nightly.name, nightly.cron.text, nightly.owner) == ("nightly", "0 3 * * *", None)
    assert (hourly.owner, hourly.enabled) == ("alice", False)
    assert parse_schedules(b"") == parse_schedules(b"[]") == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- name: [", "line 2: not YAML"),
        ("name: x", "expected a list"),
        ("- {name: x, function: echo}", "line 1: `cron` is required"),
        ("- name: x\n  function: echo\n  cron: 0 0 31 2 *", "line 3: `cron` .*never fires"),
        ("- {name: x, cron: '* * * * *', function: e, tz: UTC}", "line 1: `tz` unknown field"),
        (
            "- &a {name: x, cron: '* * * * *', function: e}\n- *a",
            'line 2: the name "x" is here twice',
        ),
        ("- 7", "line 1: expected an object"),
        (
            "- {name: x, cron: '* * * * *', function: e, webhook: {url: 7}}",
            "line 1: `webhook.url` expected a string",
        ),
    ],
)
def test_each_fault_has_its_line(text: str, fault: str) -> None:
    with pytest.raises(SchedulesFault, match=fault):
        parse_schedules(text.encode())


def write(balancer: RunningBalancer, text: str) -> None:
    file = balancer.balancer.settings.schedules_file
    partial = file.with_suffix(".new")
    partial.write_text(text)
    partial.rename(file)


async def names(balancer: RunningBalancer) -> list[tuple[str, str]]:
    page = await balancer.get("/schedules")
    return [(one["name"], one["origin"]) for one in page["schedules"]]


async def until_read(balancer: RunningBalancer, count: int) -> None:
    await until(lambda: len(balancer.events_logged("schedules.read")) == count, 20)
    scheduling = balancer.balancer.scheduling
    await until(lambda: scheduling._file._recorded == scheduling._file._file.value, 20)


async def test_a_file_is_followed_and_keeps_its_last_good_list(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(GOOD)
    async with running_balancer(tmp_path, SCHEDULES_FILE=file) as balancer:
        assert await names(balancer) == [("hourly", "file"), ("nightly", "file")]
        shown = (await balancer.get("/schedules/nightly"))["schedule"]
        assert (shown["owner"], shown["enabled"]) == ("root", True)
        hourly = (await balancer.get("/schedules/hourly"))["schedule"]
        assert (hourly["owner"], hourly["enabled"]) == ("alice", False)
        write(balancer, "- {name: x}")
        await until(lambda: balancer.balancer.scheduling.health()["file_fault"] is not None, 20)
        health = (await balancer.get("/health"))["schedules"]
        assert health["in_file"] == 2
        assert "`cron` is required" in health["file_fault"]
        assert len(balancer.events_logged("schedules.kept_the_last_good_list")) == 1
        assert len(await names(balancer)) == 2
        write(balancer, "- {name: nightly, cron: '0 4 * * *', function: echo}")
        await until_read(balancer, 2)
        assert await names(balancer) == [("nightly", "file")]
        shown = (await balancer.get("/schedules/nightly"))["schedule"]
        assert shown["next_runs"][0].endswith("T04:00:00.000Z")
        assert (await balancer.get("/health"))["schedules"]["file_fault"] is None
        file.unlink()
        await until_read(balancer, 3)
        assert await names(balancer) == []


async def test_the_file_wins_over_the_api_and_is_read_only_there(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    async with running_balancer(tmp_path, SCHEDULES_FILE=file) as balancer:
        await balancer.worker()
        await make(balancer, "nightly")
        await make(balancer, "mine")
        write(balancer, GOOD)
        await until_read(balancer, 1)
        assert await names(balancer) == [("hourly", "file"), ("mine", "api"), ("nightly", "file")]
        (warning,) = balancer.events_logged("schedules.file_replaced_one_of_the_api")
        assert warning["schedule"] == "nightly"
        body = {"cron": "* * * * *", "function": "echo"}
        for method, path, sent in (
            ("PUT", "/schedules/nightly", body),
            ("DELETE", "/schedules/nightly", None),
            ("POST", "/schedules/nightly/on", None),
            ("POST", "/schedules/nightly/off", None),
            ("POST", "/schedules", {"name": "nightly", **body}),
        ):
            answer = await balancer.request(method, path, **({"json": sent} if sent else {}))
            assert answer.status == 409, (method, path, answer.body)
        run = await balancer.request("POST", "/schedules/nightly/run")
        assert run.status == 202, run.body


async def test_a_restart_keeps_what_is_due(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(GOOD)
    async with running_balancer(tmp_path, SCHEDULES_FILE=file) as balancer:
        before = (await balancer.get("/schedules/nightly"))["schedule"]
    async with running_balancer(tmp_path, SCHEDULES_FILE=file) as balancer:
        assert (await balancer.get("/schedules/nightly"))["schedule"] == before
    file.unlink()
    async with running_balancer(tmp_path, SCHEDULES_FILE=file) as balancer:
        assert await names(balancer) == []
