"""Finding the proxies of the tests, and what is said when there is no way to have one."""

from pathlib import Path

import pytest

from scripts import debian, proxies
from scripts.progress import StepFailed


def test_a_proxy_that_was_unpacked_is_found_and_one_of_the_machine_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, unpacked = tmp_path / "bin", tmp_path / "unpacked"
    monkeypatch.setenv("PATH", str(machine))
    for folder in (unpacked / "usr/sbin", machine):
        assert proxies.find("a-proxy", unpacked) != folder / "a-proxy"
        folder.mkdir(parents=True)
        (folder / "a-proxy").write_text("#!/bin/sh\n")
        (folder / "a-proxy").chmod(0o755)
        assert proxies.find("a-proxy", unpacked) == folder / "a-proxy"


def test_where_nothing_can_be_unpacked_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "this_distribution", lambda: "")
    with pytest.raises(StepFailed) as failed:
        proxies.unpack("nginx", tmp_path)
    assert "install nginx" in failed.value.remedy
    assert list(tmp_path.iterdir()) == []
