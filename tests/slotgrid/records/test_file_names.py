"""Names of files, as people and servers give them, become names that every file system takes."""

import random
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest

from slotgrid.records.file_names import (
    NAME_BYTES,
    file_name,
    is_file_name,
    is_plain_name,
    numbered,
    plain_name,
)

KEPT = [
    "Report (1).pdf",
    "Отчёт за май.pdf",
    "年次報告書.xlsx",
    "รายงาน.docx",
    "वार्षिक रिपोर्ट.pdf",
    "گزارش\u200cها.txt",  # noqa: RUF001  Persian
    "😀👩\u200d💻.txt",
    "it's; 100% #1, [a] {b} ~ & co.txt",
    "%2F",
    "a.tar.gz",
]


@pytest.mark.parametrize("name", KEPT)
def test_a_name_of_any_script_stays(name: str) -> None:
    assert file_name(name) == name
    assert is_file_name(name)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a/b", "a_b"),
        ("..\\x", "_x"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\temp\\a.txt", "C__temp_a.txt"),
        ("a\0b\x1fc\x7f.txt", "a_b_c_.txt"),
        ("two\nlines.txt", "two_lines.txt"),
        ('say "hi"?*<>|.txt', "say _hi______.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\u200fדוח\ufeff.pdf", "דוח.pdf"),  # noqa: RUF001  Hebrew
        ("a\u00a0b\u3000c.txt", "a b c.txt"),
        ("e\u0301te\u0301.txt", "été.txt"),
        ("lone \ud800.txt", "lone \ufffd.txt"),
        (" .hidden", "hidden"),
        ("trailing. . ", "trailing"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com¹ .txt", "_com¹ .txt"),
        ("console.log", "console.log"),
        ("...", "file"),
        ("\u200b", "file"),
        ("", "file"),
    ],
)
def test_what_no_file_system_takes_is_replaced(given: str, name: str) -> None:
    assert file_name(given) == name
    assert not PureWindowsPath(name).is_reserved()


@pytest.mark.parametrize(
    ("given", "suffix"),
    [
        ("a" * 300 + ".pdf", ".pdf"),
        ("Ж" * 200 + ".pdf", ".pdf"),
        ("😀" * 100 + ".tar.gz", ".tar.gz"),
        ("é" * 300, "é"),
        ("a." + "b" * 300, "b"),
        ("👩\u200d" * 80, "👩"),
    ],
)
def test_a_long_name_is_cut_before_its_suffix(tmp_path: Path, given: str, suffix: str) -> None:
    name = file_name(given)
    assert NAME_BYTES - 12 < len(name.encode()) <= NAME_BYTES
    assert name.endswith(suffix)
    (tmp_path / f"{name}.part").write_bytes(b"")
    again = numbered(name, 123)
    assert len(again.encode()) <= NAME_BYTES
    assert " (123)" in again


def test_a_number_stands_before_the_suffix() -> None:
    assert numbered("Report.pdf", 1) == "Report (1).pdf"
    assert numbered("site.tar.gz", 2) == "site (2).tar.gz"
    assert numbered("README", 3) == "README (3)"
    assert numbered("Report (1).pdf", 1) == "Report (1) (1).pdf"


def test_a_name_that_was_made_safe_is_not_changed_again() -> None:
    chance = random.Random(7)
    letters = [*" ./\\:.\"\n\0\u202e\u200d\u0301CONnul.txt()[]%;'", "Ж", "漢", "😀", "\ud800", "é"]
    for _ in range(3000):
        given = "".join(chance.choices(letters, k=chance.choice([1, 3, 8, 150])))
        name = file_name(given)
        assert file_name(name) == name, ascii(given)
        assert is_file_name(name), ascii(given)
        assert unicodedata.is_normalized("NFC", name)
        assert file_name(numbered(name, 1)) == numbered(name, 1), ascii(given)
        assert is_plain_name(plain_name(name)), ascii(given)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\0", "a\n", "Ж" * 125, "\ud800"]
)
def test_a_name_from_another_node_that_could_lead_elsewhere_is_refused(name: str) -> None:
    assert not is_file_name(name)


@pytest.mark.parametrize("name", ["a. ", "a" * 200, "CON", "Ж" * 124, "a_b-c.txt"])
def test_a_name_that_an_earlier_worker_saved_is_accepted(name: str) -> None:
    assert is_plain_name(name)
    assert is_file_name(name)


def test_a_plain_name_stands_for_one_that_earlier_balancers_refuse() -> None:
    assert plain_name("Report (1).pdf") == "Report _1_.pdf"
    assert plain_name("Отчёт.pdf") == "Отчёт.pdf"
    assert plain_name("(1)") == "_1_"
    assert plain_name("-a") == "_-a"
    assert plain_name("as it was.txt") == "as it was.txt"
