"""A secret is found however it is written, and what is no secret stays."""

import json
import random
import re
import string
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from slotgrid.runtime.secrets import HIDDEN, SecretValues

SECRETS = [
    "hunter2-and/more",
    'a"b\\c d&e=f',
    "пароль-из-букв",
    "it's <b>&amp;</b> 100%",
    "back\\\\slashes\\",
    "emoji \U0001f511 key",
    "two\nlines of it\tand tab",
    "!!##$$%%^^&&",
    "plus+and/slash==",
]


def _lower_percent(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(text, safe=""))


WRITERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json of utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"it": text})),
    "json of javascript in html": lambda text: json.dumps(text).replace("<", "\\u003C"),
    "json of php": lambda text: json.dumps(text).replace("/", "\\/"),
    "repr": repr,
    "address": lambda text: quote(text, safe=""),
    "address with slashes": quote,
    "address in lower case": _lower_percent,
    "encodeURIComponent": lambda text: quote(text, safe="!'()*"),
    "encodeURI": lambda text: quote(text, safe=";,/?:@&=+$-_.!~*'()#"),
    "form": quote_plus,
    "address in an address": lambda text: quote(quote(text, safe=""), safe=""),
    "html": escape,
    "html twice": lambda text: escape(escape(text)),
    "html by numbers": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"&#{ord(char)};" for char in text
    ),
    "html by hex numbers": lambda text: "".join(
        char if char.isalnum() and char.isascii() else f"&#x{ord(char):X};" for char in text
    ),
    "windows line ends": lambda text: text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_writing(secret: str, writer: str) -> None:
    written = WRITERS[writer](secret)
    known = SecretValues.of([secret])
    hidden = known.hide_text(f"before {written} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    # Quotes of the writing may stay; nothing of the secret may.
    left = hidden.removeprefix("before ").removesuffix(" after").replace(HIDDEN, "")
    assert left.strip("\"'\\{}: ") in {"", "it"} | {'it\\": \\'}, left
    line = json.dumps({"x": f"before {written}"}, ensure_ascii=False).encode()
    assert known.occur_in(line)


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "someone@example.com:"])
@pytest.mark.parametrize("after", ["", "\n", " and more of it"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("secret", ["long-enough?", "пароль??>>", "exactly8"])
def test_a_secret_is_hidden_in_base64(
    secret: str, encode: Callable[[bytes], bytes], before: str, after: str
) -> None:
    written = encode(f"{before}{secret}{after}".encode()).decode()
    known = SecretValues.of([secret])
    for form in (written, quote(written, safe=""), json.dumps(written)):
        hidden = known.hide_text(f"Authorization: Basic {form}")
        assert HIDDEN in hidden
        assert known.occur_in(json.dumps(form).encode())
    # What is left of the last characters holds less than one byte of the secret at each side.
    left = known.hide_text(written)
    assert len(left.replace(HIDDEN, "")) <= (len(before) + len(after)) * 4 / 3 + 4


def test_a_short_secret_is_not_looked_for_in_base64() -> None:
    written = b64encode(b"abcdefg").decode()
    assert SecretValues.of(["abcdefg"]).hide_text(written) == written


def test_texts_without_the_secret_stay_as_they_are() -> None:
    known = SecretValues.of(SECRETS)
    rng = random.Random(16)
    for _ in range(200):
        text = "".join(rng.choices(string.printable, k=200))
        assert known.hide_text(text) == text


def test_texts_that_almost_match_take_no_long_search() -> None:
    known = SecretValues.of(['\\"\\"\\"x', "    \\\\\\\\'y", "&&&&&&&&z", "%%%%%%%%w", "x" * 64])
    began = time.process_time()
    for text in ("\\" * 50_000, '\\"' * 50_000, "&amp;" * 50_000, "%25" * 50_000, "x" * 100_000):
        known.hide_text(text + "xyzwx")
    assert time.process_time() - began < 20


@pytest.mark.parametrize("secret", ["hunter2-long-enough", "пароль-подлиннее"])
def test_a_part_of_a_secret_beside_a_cut_is_hidden(secret: str) -> None:
    known = SecretValues.of([secret])
    for length in range(4, len(secret)):
        assert (
            known.hide_text(f"it is {secret[:length]} … (5 more)") == f"it is {HIDDEN} … (5 more)"
        )
        assert known.hide_text(f"x …\n{secret[-length:]} is it") == f"x …\n{HIDDEN} is it"
    assert known.hide_text("wait … what … huh") == "wait … what … huh"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_two_pieces_of_a_stream_is_hidden(secret: str) -> None:
    known = SecretValues.of([secret, "other-secret"])
    for writer in ("plain", "json", "address", "html"):
        text = f"before {WRITERS[writer](secret)} between other-secret after"
        for at in range(len(text) + 1):
            first, rest = known.split(text[:at])
            second, rest = known.split(rest + text[at:])
            assert first + second + known.hide_text(rest) == known.hide_text(text)


def test_a_stream_is_held_back_only_where_a_secret_may_begin() -> None:
    known = SecretValues.of(["hunter2", "hunter2-long"])
    assert known.split("go on") == ("go on", "")
    assert known.split("go hun") == ("go ", "hun")
    assert known.split("go hunter2") == ("go ", "hunter2")
    assert known.split("go hunter2!") == (f"go {HIDDEN}!", "")
    assert SecretValues.of([]).split("anything") == ("anything", "")


def test_json_is_hidden_at_any_depth_and_names_only_if_wanted() -> None:
    known = SecretValues.of(["hunter2"])
    deep: object = {"token": "mine", "x": "hunter2"}
    for _ in range(200):
        deep = [deep]
    for names, shown in ((True, HIDDEN), (False, "mine")):
        found = known.hide_json(deep, names=names)
        for _ in range(200):
            [found] = found
        assert found == {"token": shown, "x": HIDDEN}
