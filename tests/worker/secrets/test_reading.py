import os
from pathlib import Path

import pytest

from worker.secrets.declarations import Declaration, Source, SourceKind
from worker.secrets.reading import VALUE_LIMIT, read_secret


def _env(name: str) -> Source:
    return Source(SourceKind.ENVIRONMENT, name)


def _file(path: Path) -> Source:
    return Source(SourceKind.FILE, str(path))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"sesame", "sesame"),
        (b"sesame\n", "sesame"),
        (b"sesame\r\n", "sesame"),
        (b"\xef\xbb\xbfsesame\n", "sesame"),
        (b" with spaces \n", " with spaces "),
        ("пароль\n".encode(), "пароль"),
        (b"-----BEGIN-----\nMIIE\n-----END-----\n", "-----BEGIN-----\nMIIE\n-----END-----"),
    ],
)
def test_a_file_is_a_secret_without_its_last_line_end(
    tmp_path: Path, data: bytes, value: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(data)
    reading = read_secret(Declaration("A", (_file(file),)), {})
    assert reading.value == value
    assert value not in repr(reading)


def test_the_first_source_that_has_a_value_counts(tmp_path: Path) -> None:
    file = tmp_path / "token"
    declared = Declaration("A", (_file(file), _env("EMPTY"), _env("A")))
    environment = {"EMPTY": "", "A": "of the environment"}
    assert read_secret(declared, environment).value == "of the environment"
    file.write_bytes(b"\n")
    assert read_secret(declared, environment).value == "of the environment"
    file.write_bytes(b"of the file\n")
    assert read_secret(declared, environment).value == "of the file"
    file.unlink()
    assert read_secret(declared, {"EMPTY": ""}).problem == (
        f"file {file}: does not exist; environment variable EMPTY: empty; "
        "environment variable A: not set"
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("binary", "is not UTF-8; encode a binary secret as text, such as base64"),
        ("large", f"has more than {VALUE_LIMIT} bytes, too many for a secret"),
        ("folder", "is not a file"),
        ("pipe", "is not a file"),
        ("endless", "is not a file"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_source_that_cannot_be_used_is_not_passed_over(
    tmp_path: Path, kind: str, said: str
) -> None:
    file = tmp_path / "token"
    match kind:
        case "binary":
            file.write_bytes(b"secret\xff\xfe")
        case "large":
            file.write_bytes(b"a" * (VALUE_LIMIT + 1))
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "endless":
            file = Path("/dev/zero")
        case _:
            file.symlink_to(file)
    reading = read_secret(Declaration("A", (_file(file), _env("A"))), {"A": "an old value"})
    assert reading.value is None
    assert reading.unusable
    assert reading.problem == f"file {file}: {said}"


def test_a_file_that_every_user_can_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"sesame")
    file.chmod(0o600)
    assert not read_secret(Declaration("A", (_file(file),)), {}).open_to_all
    file.chmod(0o644)
    assert read_secret(Declaration("A", (_file(file),)), {}).open_to_all
