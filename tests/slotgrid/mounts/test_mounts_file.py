"""`mounts.yaml`: what it may say, and every fault with its line."""

from pathlib import Path

import pytest
from aiohttp import web

from balancer.app import Balancer
from slotgrid.mounts.mounts_file import RESERVED, Mount, MountsFault, parse_mounts
from tests.harness.in_process.balancer import running_balancer
from tests.harness.in_process.worker import browserless_worker
from worker.app import Worker

VARIABLES = {"OUT": "/srv/out", "EMPTY": ""}


def parsed(text: str, data_dir: str = "/var/lib/slotgrid") -> tuple[Mount, ...]:
    return parse_mounts(text.encode(), variables=VARIABLES, data_dir=Path(data_dir))


def faults(text: str, data_dir: str = "/var/lib/slotgrid") -> tuple[str, ...]:
    with pytest.raises(MountsFault) as caught:
        parsed(text, data_dir)
    return caught.value.faults


def test_a_mount_has_defaults_and_variables() -> None:
    text = """
# What people may read.
- prefix: /reports/
  dir: ${OUT}/reports
- {prefix: /files/2026, dir: "${NOWHERE:-/srv/files}", list: false, recursive: true}
- {prefix: /lists, dir: "${EMPTY:-/srv/lists}", serve: false}
"""
    assert parsed(text) == (
        Mount(prefix="/reports", dir=Path("/srv/out/reports")),
        Mount(prefix="/files/2026", dir=Path("/srv/files"), lists=False, recursive=True),
        Mount(prefix="/lists", dir=Path("/srv/lists"), serves=False),
    )


def test_a_relative_folder_starts_at_the_working_directory() -> None:
    (mount,) = parsed("[{prefix: /a, dir: out}]")
    assert mount.dir == Path.cwd() / "out"
    (mount,) = parsed("[{prefix: /a, dir: ~/out}]")
    assert mount.dir == Path.home() / "out"


@pytest.mark.parametrize("text", ["", "# nothing", "[]", "---\n"])
def test_an_empty_file_is_an_empty_list(text: str) -> None:
    assert parsed(text) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: b", "expected a list of mounts, each with `prefix` and `dir`"),
        ("- text", "line 1: expected a mount with `prefix` and `dir`"),
        ("\n- {dir: /srv}", "line 2: `prefix` is missing, or no text such as /reports"),
        ("- {prefix: /a}", "line 1: `dir` is missing, or no text"),
        ("- {prefix: /a, dir: 5}", "line 1: `dir` is missing, or no text"),
        ("- {prefix: 5, dir: /srv}", "line 1: `prefix` is missing, or no text such as /reports"),
        (
            "- prefix: /a\n  dir: /srv\n  recursiv: true",
            "line 3: unknown `recursiv`; did you mean `recursive`?",
        ),
        (
            "- {prefix: /a, dir: /srv, x: 1}",
            "line 1: unknown `x`; there are prefix, dir, list, serve, recursive",
        ),
        ("- {prefix: /a, dir: /srv, list: yes}", "line 1: `list` must be true or false"),
        (
            "- {prefix: /a, dir: /srv, list: false, serve: false}",
            "line 1: `list` and `serve` are both false: the mount would do nothing",
        ),
        ("- {prefix: /tasks, dir: /srv}", "line 1: `prefix` /tasks would hide /tasks of the API"),
        ("- {prefix: /Docs/a, dir: /srv}", "line 1: `prefix` /Docs/a would hide /docs of the API"),
        (
            "- {prefix: /a, dir: /srv}\n- {prefix: /a/, dir: /srv}",
            "line 2: `prefix` /a and /a hide each other",
        ),
        (
            "- {prefix: /a/b, dir: /srv}\n- {prefix: /a, dir: /srv}",
            "line 2: `prefix` /a and /a/b hide each other",
        ),
        (
            "- {prefix: /a, dir: '${NOWHERE}/x'}",
            "line 1: `dir` uses the variable NOWHERE, which is not set; `${NOWHERE:-folder}` has a "
            "default",
        ),
        (
            "- {prefix: /a, dir: '${EMPTY}'}",
            "line 1: `dir` uses the variable EMPTY, which is not set; `${EMPTY:-folder}` has a "
            "default",
        ),
        (
            "- {prefix: /a, dir: '${OUT'}",
            "line 1: `dir` has a `${` that is no variable: write `${NAME}`",
        ),
        ('- {prefix: /a, dir: "a\\0b"}', "line 1: `dir` is not a path"),
        ("- {prefix: /a, dir: '${EMPTY:-}'}", "line 1: `dir` is not a path"),
        ("- {prefix: /a, dir: '~nobody-here/x'}", "line 1: `dir`: "),
        ("- {prefix: /a, dir: /srv}\n- {", "line 3: not YAML: "),
        ("&a [*a]", "line 1: "),
    ],
)
def test_a_fault_has_its_line(text: str, fault: str) -> None:
    assert faults(text)[0].startswith(fault)


@pytest.mark.parametrize(
    "prefix",
    [
        *("a", "''", "/", "//a", "/a//b", "/../a", "/a/./b", "/.a", "/a b", "/ä", "/a%2fb"),
        *("/a?b", "/a#", "/{a}", "/" + "a" * 200),
    ],
)
def test_a_prefix_is_a_plain_path(prefix: str) -> None:
    (fault,) = faults(f"- {{prefix: '{prefix.strip(chr(39))}', dir: /srv}}")
    assert "is not a path such as /reports" in fault


def test_all_faults_are_reported_at_once() -> None:
    assert faults("- {prefix: /a}\n- {prefix: b, dir: /srv}\n- 5") == (
        "line 1: `dir` is missing, or no text",
        "line 2: `prefix` 'b' is not a path such as /reports or /files/2026: letters, digits, "
        "`.`, `_`, `~` and `-` between slashes, at most 200",
        "line 3: expected a mount with `prefix` and `dir`",
    )
    many = "\n".join(f"- {{prefix: /a{number}, dir: /srv}}" for number in range(101))
    assert faults(many) == ("101 mounts; 100 are possible",)


@pytest.mark.parametrize("folder", ["data", "data/artifacts", ".", "link", "data/../data", "/"])
def test_the_node_s_own_data_cannot_be_mounted(tmp_path: Path, folder: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    (fault,) = faults(f"- {{prefix: /a, dir: '{tmp_path / folder}'}}", str(tmp_path / "data"))
    assert fault.startswith("line 1: `dir` overlaps DATA_DIR")
    beside = tmp_path / "beside"
    (mount,) = parsed(f"- {{prefix: /a, dir: '{beside}'}}", str(tmp_path / "data"))
    assert mount.dir == beside


async def test_every_path_of_the_api_is_reserved(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {}) as a, running_balancer(tmp_path) as b:
        nodes: list[Worker | Balancer] = [a.worker, b.balancer]
        for node in nodes:
            firsts = {path_of_first(resource) for resource in node.application().router.resources()}
            assert firsts - RESERVED == {"", "{mounted}", "{mounted_file}"}


def path_of_first(resource: web.AbstractResource) -> str:
    return resource.canonical.split("/")[1]
