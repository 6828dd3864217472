import time

import pytest

from slotgrid.steps.yaml_text import PARTS_MOST, YamlFault, parse


def fault(text: str | bytes) -> YamlFault:
    with pytest.raises(YamlFault) as caught:
        parse(text.encode() if isinstance(text, str) else text)
    return caught.value


def test_values_are_those_of_yaml_1_2_with_the_numbers_of_json() -> None:
    text = """
strings: [yes, no, on, off, y, 0o17, 017, 1:30, 2020-01-01, 2020-01-01T00:00:00Z, +1, .5, 1_000, =]
numbers: [0, -7, 1.5, 1e3, 18446744073709551615]
constants: [true, False, null, ~, ]
quoted: ["true", '1', "~"]
"""
    assert parse(text.encode()).value == {
        "strings": [
            "yes", "no", "on", "off", "y", "0o17", "017", "1:30", "2020-01-01",
            "2020-01-01T00:00:00Z", "+1", ".5", "1_000", "=",
        ],
        "numbers": [0, -7, 1.5, 1000.0, 18446744073709551615],
        "constants": [True, False, None, None],
        "quoted": ["true", "1", "~"],
    }  # fmt: skip


def test_keys_that_yaml_1_1_reads_as_booleans_are_strings() -> None:
    assert parse(b"on: 1\nyes: 2\nn: 3").value == {"on": 1, "yes": 2, "n": 3}


def test_each_part_has_the_line_of_its_key_or_item() -> None:
    text = "a: 1\nb/c~:\n  - x\n  - d:\n      e: |\n        text\n  # a comment\n  - f\n"
    assert parse(text.encode()).lines == {
        "": 1, "/a": 1, "/b~1c~0": 2, "/b~1c~0/0": 3, "/b~1c~0/1": 4, "/b~1c~0/1/d": 4,
        "/b~1c~0/1/d/e": 5, "/b~1c~0/2": 8,
    }  # fmt: skip


def test_a_part_behind_an_alias_has_the_line_of_the_alias() -> None:
    document = parse(b"a: &one\n  b: 1\nc:\n  - *one\n")
    assert document.value == {"a": {"b": 1}, "c": [{"b": 1}]}
    assert document.line("/c/0/b") == 4
    assert document.line("/unknown/part") == 1


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_null(text: str) -> None:
    assert parse(text.encode()).value is None


def test_a_byte_order_mark_and_crlf_do_not_matter() -> None:
    assert parse("\ufeffa: 1\r\nb: 2\r\n".encode()).value == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "`a` is here twice; the first is in line 1"),
        ("a:\n  1: x", 2, 'a key must be a string: write "1" in quotes'),
        ("true: x", 1, 'a key must be a string: write "true" in quotes'),
        ("~: x", 1, "a key must be a string"),
        ("a: &k 1\n? *k\n: 2", 2, "a key must be a string"),
        ("a: .inf", 1, "`.inf` is not a number of JSON"),
        ("a: .NaN", 1, "not a number of JSON"),
        ("a: 1e999", 1, "too large"),
        ("a: 18446744073709551616", 1, "more than 64 bits"),
        ("a: " + "9" * 100_000, 1, "more than 64 bits"),
        ("a: 1\n---\nb: 2", 2, "several documents"),
        ("a:\n\tb: 1", 2, "a tab in the indentation"),
        ("a: @b", 1, "begins with `@` needs quotes"),
        ("a: 1\nb: {{ input.b }}", 2, 'needs quotes: "{{ ... }}"'),
        ("a: 1\nb: x: {{ input.b }}", 2, 'needs quotes: "{{ ... }}"'),
        ("a: [1, 2\nb: 3", 2, "not YAML"),
        ("a: note: b", 1, "a text with `: ` in it needs quotes"),
        ("a: 'x\n\n", 3, "not YAML"),
        ("a: *b", 1, "`*b` has no anchor `&b`"),
        ("a: &b [*b]", 1, "has no end"),
        ("a: &b {c: [*b]}", 1, "has no end"),
        ("a: 1\nb: !!python/object/apply:os.system [id]", 2, "`!!python/object/apply:os.system`"),
        ("a: !own 1", 1, "`!own`"),
        ("a: &b {}\nc:\n  <<: *b", 3, "merge keys"),
        ('a: "\\ud800"', 1, "not YAML"),
        ("a: 1\nb: \x01", 2, "forbids"),
    ],
)
def test_a_fault_has_its_line_and_says_what_to_do(text: str, line: int, words: str) -> None:
    found = fault(text)
    assert (found.line, words in found.message) == (line, True), found.message


@pytest.mark.parametrize("data", [b"a: 1\nb: \xff", "a: 1\nb: é".encode("latin-1")])
def test_another_encoding_is_named_with_its_line(data: bytes) -> None:
    assert (fault(data).line, fault(data).message) == (2, "the file is not UTF-8")
    assert fault("a: 1".encode("utf-16")).message == "the file is not UTF-8"


def test_a_huge_file_is_refused_without_reading_it() -> None:
    data = b"- a\n" * 2_500_000
    began = time.process_time()
    assert "10,000,000 bytes" in fault(data).message
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize("text", ["[" * 900_000, "- " * 450_000, "{a: " * 200_000, "? " * 450_000])
def test_deep_nesting_ends_early(text: str) -> None:
    began = time.process_time()
    assert fault(text).line == 1
    assert time.process_time() - began < 0.5


def test_aliases_that_explode_are_refused() -> None:
    lines = ["a0: &a0 [" + "x, " * 10 + "]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 10 + "]" for n in range(1, 10)]
    found = fault("\n".join(lines))
    assert "more than 100,000 values" in found.message
    assert found.line == 5


def test_aliases_count_as_what_they_stand_for() -> None:
    one = "a: &a [" + "1, " * 999 + "]\n"
    copies = PARTS_MOST // 1000 - 2
    assert len(parse((one + f"b: [{'*a, ' * copies}]").encode()).value["b"]) == copies
    assert "more than" in fault(one + f"b: [{'*a, ' * (copies + 1)}]").message


def test_depth_grows_through_aliases() -> None:
    nested = "a: &a " + "[" * 40 + "]" * 40 + "\n"
    assert parse((nested + "b: [[*a]]").encode()).value["b"]
    assert "nested deeper" in fault(nested + "b: " + "[" * 30 + "*a" + "]" * 30).message
