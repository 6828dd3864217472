"""Secrets as a worker follows them: which functions they hold back, and what a change does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slotgrid.runtime.secrets import Redactor
from tests.harness.in_process.worker import RunningWorker, browserless_worker
from worker.secrets.declared_secrets import DeclaredSecrets

USES = """
    import asyncio
    from pathlib import Path

    @function(secrets=("TOKEN", "EXTRA"), streaming=True)
    async def uses(context: Context, wait_for: str = "") -> str:
        before = context.secrets["TOKEN"]
        await context.status(before)
        while wait_for and not Path(wait_for).exists():
            await asyncio.sleep(0.01)
        after = context.secrets["TOKEN"]
        extra = context.secrets.get("EXTRA")
        return " ".join([before[::-1], after[::-1], str(extra)[::-1]])
"""
FREE = """
    @function()
    async def free(context: Context) -> str:
        return "runs"
"""
FUNCTIONS = {"uses.py": USES, "free.py": FREE}


def _declare(tmp_path: Path, **members: Any) -> Path:
    file = tmp_path / "secrets.yaml"
    token = {"description": "of the shop", "source": {"file": "token"}, **members}
    file.write_text(json.dumps({"TOKEN": token, "EXTRA": {"required": False}}))
    return file


async def _broken(worker: RunningWorker, holds: Callable[[list[Any]], bool]) -> list[Any]:
    """The broken files, as soon as they are as expected."""
    while not holds(broken := (await worker.get("/health"))["broken"]):
        await worker.reload()
    return list(broken)


async def test_a_missing_secret_holds_back_its_functions_until_it_appears(tmp_path: Path) -> None:
    file = _declare(tmp_path)
    async with browserless_worker(tmp_path, FUNCTIONS, SECRETS_FILE=file) as worker:
        [broken] = (await worker.get("/health"))["broken"]
        assert broken["path"] == "uses.py"
        assert broken["error"] == (
            f"lacks the secret TOKEN (of the shop): file {tmp_path}/token: does not exist"
        )
        assert (await worker.submit("uses")).status == 404
        assert await worker.call("free") == "runs"
        (tmp_path / "token").write_text("first-value\n")
        await _broken(worker, lambda broken: not broken)
        assert await worker.call("uses") == "eulav-tsrif eulav-tsrif enoN"
        (tmp_path / "token").unlink()
        await _broken(worker, bool)
        assert (await worker.submit("uses")).status == 404
        (tmp_path / "token").write_text("second-value")
        await _broken(worker, lambda broken: not broken)
        assert await worker.call("uses") == "eulav-dnoces eulav-dnoces enoN"


async def test_a_rotated_secret_is_for_the_next_task_and_both_are_redacted(tmp_path: Path) -> None:
    file, token = _declare(tmp_path), tmp_path / "token"
    # As Kubernetes mounts it: the file is a link into a folder that another link chooses.
    for name, value in (("one", "first-value"), ("two", "other-value")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(value)
    (tmp_path / "data-now").symlink_to("one")
    token.symlink_to("data-now/token")
    async with browserless_worker(tmp_path, FUNCTIONS, SECRETS_FILE=file) as worker:
        go = tmp_path / "go"
        running = await worker.start("uses", wait_for=str(go))
        await running.says("status")
        (tmp_path / "data-next").symlink_to("two")
        (tmp_path / "data-next").replace(tmp_path / "data-now")
        while not worker.events_logged("secret.changed"):
            await worker.get("/health")
        hidden = worker.redactor.known.hide("first-value and other-value")
        assert hidden == "[redacted] and [redacted]"
        assert await worker.call("uses") == "eulav-rehto eulav-rehto enoN"
        go.touch()
        assert await running.result() == "eulav-tsrif eulav-tsrif enoN"
        await worker.idle()
        hidden = worker.redactor.known.hide("first-value and other-value")
        assert hidden == "first-value and [redacted]"


async def test_health_lists_declared_secrets_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_ENV", "value-of-environment")
    file = tmp_path / "secrets.yaml"
    (tmp_path / "binary").write_bytes(b"\xff")
    file.write_text(
        "B_ENV: {description: Key, source: {env: OF_ENV}}\n"
        "A_GONE: {required: false, source: [{file: gone}, {env: GONE}]}\n"
        "C_BINARY: {source: {file: binary}}\n"
    )
    async with browserless_worker(tmp_path, FUNCTIONS, SECRETS_FILE=file) as worker:
        answer = await worker.request("GET", "/health")
        assert b"value-of-environment" not in answer.body
        assert answer.json["secrets"] == {
            "file_fault": None,
            "declared": [
                {
                    "name": "A_GONE",
                    "description": "",
                    "required": False,
                    "state": "missing",
                    "source": None,
                    "problem": f"file {tmp_path}/gone: does not exist; "
                    "environment variable GONE: not set",
                },
                {
                    "name": "B_ENV",
                    "description": "Key",
                    "required": True,
                    "state": "present",
                    "source": "environment",
                    "problem": None,
                },
                {
                    "name": "C_BINARY",
                    "description": "",
                    "required": True,
                    "state": "unusable",
                    "source": "file",
                    "problem": f"file {tmp_path}/binary: is not UTF-8; encode a binary secret as "
                    "text, such as base64",
                },
            ],
        }


async def test_a_file_that_is_broken_at_the_start_stops_only_functions_with_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "of-the-environment")
    file = tmp_path / "secrets.yaml"
    file.write_text("TOKEN: 5")
    async with browserless_worker(tmp_path, FUNCTIONS, SECRETS_FILE=file) as worker:
        [broken] = (await worker.get("/health"))["broken"]
        assert broken["error"].startswith(f"needs secrets, but {file} cannot be used: line 1: ")
        assert (await worker.get("/health"))["secrets"]["file_fault"].startswith("line 1: ")
        assert await worker.call("free") == "runs"
        _declare(tmp_path, source={"env": "TOKEN"})
        await _broken(worker, lambda broken: not broken)
        assert (await worker.call("uses")).startswith("tnemnorivne-eht-fo")
        assert (await worker.get("/health"))["secrets"]["file_fault"] is None


async def test_a_file_that_breaks_later_keeps_its_last_good_version(tmp_path: Path) -> None:
    file = _declare(tmp_path)
    (tmp_path / "token").write_text("first-value")
    async with browserless_worker(tmp_path, FUNCTIONS, SECRETS_FILE=file) as worker:
        file.write_text("TOKEN: {source: {file: token}, require: false}")
        while not (fault := (await worker.get("/health"))["secrets"]["file_fault"]):
            pass
        assert "did you mean `required`?" in fault
        assert await worker.call("uses") == "eulav-tsrif eulav-tsrif enoN"


async def test_a_file_that_is_rewritten_in_place_is_never_seen_half_done(tmp_path: Path) -> None:
    file, token = _declare(tmp_path), tmp_path / "token"
    token.write_text("first-value")
    secrets = DeclaredSecrets({}, file)
    assert await secrets.look()
    for half in ("", "other-", "other-va"):
        token.write_text(half)
        assert not await secrets.look()
        assert secrets.value("TOKEN") == "first-value"
    token.write_text("other-value")
    assert not await secrets.look()
    assert secrets.value("TOKEN") == "first-value"
    assert not await secrets.look()
    assert secrets.value("TOKEN") == "other-value"
    file.write_text("")
    assert not await secrets.look()
    assert await secrets.look()
    assert secrets.value("TOKEN") is None


async def test_values_are_redacted_in_logs_while_they_are_declared(tmp_path: Path) -> None:
    file = _declare(tmp_path)
    (tmp_path / "token").write_text("first-value")
    redactor = Redactor()
    secrets = DeclaredSecrets({}, file, redactor=redactor)
    await secrets.look()
    assert redactor.known.hide_text("a first-value") == "a [redacted]"
    file.unlink()
    await secrets.look()
    await secrets.look()
    assert redactor.known.hide_text("a first-value") == "a first-value"


async def test_an_optional_secret_that_cannot_be_used_is_a_fault_and_not_absent(
    tmp_path: Path,
) -> None:
    file = _declare(tmp_path, required=False)
    secrets = DeclaredSecrets({}, file)
    await secrets.look()
    assert secrets.named(["TOKEN"]).fault == ""
    assert dict(secrets.named(["TOKEN"]).now()) == {}
    (tmp_path / "token").write_bytes(b"\xff")
    await secrets.look()
    await secrets.look()
    assert "is not UTF-8" in secrets.named(["TOKEN"]).fault


async def test_an_undeclared_name_is_the_variable_of_that_name() -> None:
    named = DeclaredSecrets({"A": "value", "EMPTY": ""}).named(["A", "A"])
    assert named.fault == ""
    assert dict(named.now()) == {"A": "value"}
    fault = DeclaredSecrets({"EMPTY": ""}).named(["EMPTY", "GONE"]).fault
    assert fault == (
        "lacks the secrets EMPTY: environment variable EMPTY: empty; "
        "and GONE: environment variable GONE: not set"
    )
