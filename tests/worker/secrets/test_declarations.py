from pathlib import Path

import pytest

from worker.secrets.declarations import (
    Declaration,
    SecretsFileFault,
    Source,
    SourceKind,
    parse_declarations,
)

FOLDER = Path("/etc/slotgrid")
ENV, FILE = SourceKind.ENVIRONMENT, SourceKind.FILE


def test_a_file_declares_names_descriptions_and_sources() -> None:
    declared = parse_declarations(
        b"""
        SHOP_TOKEN:
          description: |
            Token of the shop's
            interface
          source: {file: /run/secrets/shop}
        OPTIONAL: {required: false, source: [{file: local}, {env: OTHER_NAME}]}
        BARE:
        yes: {}
        """,
        FOLDER,
    )
    assert list(declared.values()) == [
        Declaration(
            "SHOP_TOKEN",
            (Source(FILE, "/run/secrets/shop"),),
            "Token of the shop's interface",
        ),
        Declaration(
            "OPTIONAL",
            (Source(FILE, "/etc/slotgrid/local"), Source(ENV, "OTHER_NAME")),
            required=False,
        ),
        Declaration("BARE", (Source(ENV, "BARE"),)),
        Declaration("yes", (Source(ENV, "yes"),)),
    ]


@pytest.mark.parametrize("text", [b"", b"# nothing yet\n", b"\xef\xbb\xbf---\n", b"null"])
def test_an_empty_file_declares_nothing(text: bytes) -> None:
    assert parse_declarations(text, FOLDER) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- A\n- B", "line 1: the file is not a mapping of names to values"),
        ("A: 1", "line 1: `A` is not a mapping"),
        ("A: {}\nB-C: {}", "line 2: `B-C` cannot name a secret"),
        ("A: {}\nB: {}\nA: {}", "line 3: `A` is here twice"),
        ("A: {sources: {env: A}}", "`A` cannot have `sources`; did you mean `source`?"),
        ("A: {value: abc}", "`A` cannot have `value`: it has description, required, source"),
        ("A: {required: maybe}", "`required` of `A` is true or false"),
        ("A: {description: [x]}", "the description of `A` is not a text"),
        ("A:\n  source: []", "line 2: `source` of `A` is empty"),
        ("A: {source: A}", "`source` of `A` is not a mapping"),
        ("A: {source: {vault: x}}", "is {env: NAME}, {file: path} or a list of them"),
        ("A: {source: {env: x, file: y}}", "is {env: NAME}, {file: path} or a list of them"),
        ("A: {source: {file: }}", "`file` of `A` is not a text"),
        ("A: {source: {file: ''}}", "`file` of `A` is not a text"),
        ("A: {\n", "line 2: "),
        ("A: {}\n---\nB: {}", "line 2: the file has several documents"),
        ("A: \x07", "a character that YAML forbids"),
        ("A: " + "[" * 200_000, "line 1: is nested deeper than 64 levels"),
        ("A" * 1_000_001, "more than 1,000,000"),
        ("\n".join(f"A{n}: {{}}" for n in range(1001)), "more than 1000 secrets"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SecretsFileFault) as caught:
        parse_declarations(text.encode(), FOLDER)
    assert said in str(caught.value)


def test_bytes_that_are_not_text_are_refused_with_their_line() -> None:
    with pytest.raises(SecretsFileFault, match="line 2: the file is not UTF-8"):
        parse_declarations(b"A: {}\nB: {description: \xff}", FOLDER)
