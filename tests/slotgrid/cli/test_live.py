import io
import os
import pty
import struct
import subprocess
import sys
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCSWINSZ

import pytest
from rich.console import Console

from slotgrid.cli.live import LineView, TerminalView, View
from slotgrid.cli.output import clean, duration_text, size_text
from slotgrid.client import Event


@pytest.fixture(autouse=True)
def a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def _chunk(text: str) -> Event:
    return Event(1, "chunk", {"data": text})


def _shown(make: Callable[[Console], View], *events: Event, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=terminal, width=100, color_system=None, highlight=False
    )
    with make(console) as view:
        for event in events:
            view.show(event)
    return out.getvalue()


def test_in_a_file_each_event_is_a_line_and_chunks_stay_as_they_are() -> None:
    events = [
        _chunk("two "),
        _chunk("words"),
        Event(2, "status", {"text": "next"}),
        _chunk("a line\n"),
        Event(3, "price", {"text": "found", "data": {"eur": 5}}),
        Event(4, "artifact", {"text": "page.png", "data": {}}),
        _chunk("end"),
        Event(5, "done", {"result": 1}),
    ]
    assert _shown(LineView, *events) == (
        'two words\n· next\na line\nprice found {"eur": 5}\n▪ page.png\nend\n'
    )


def test_on_a_terminal_whole_lines_stay_and_the_last_one_too() -> None:
    def view(console: Console) -> View:
        return TerminalView(console, "crawl")

    events = [
        _chunk("first\r\nsecond "),
        Event(2, "log", {"text": "logged"}),
        _chunk("line\nthird"),
    ]
    shown = _shown(view, *events, terminal=True)
    lines = [line.strip() for line in shown.replace("\r", "\n").split("\n")]
    for line in ("first", "second line", "third"):
        assert any(shown_line.endswith(line) for shown_line in lines), (line, shown)
    assert "│ logged" in shown


@pytest.mark.parametrize(
    ("data", "percent"), [({"fraction": 0.25}, "25%"), ({"fraction": 7}, "100%"), (None, None)]
)
def test_a_bar_is_shown_when_the_task_says_how_far_it_is(data: object, percent: str | None) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with TerminalView(console, "crawl") as view:
        view.show(Event(1, "progress", {"text": "3 pages", "data": data}))
        console.print("drawn")  # what is printed above has the moving line drawn anew
    assert "3 pages" in out.getvalue()
    assert ("%" in out.getvalue()) == (percent is not None)
    assert percent is None or percent in out.getvalue()


def test_what_a_page_says_cannot_steer_the_terminal() -> None:
    hostile = "\x1b]0;title\x07\x1b[2Jwiped\x9b31m\rover"
    assert clean(hostile) == "�]0;title��[2Jwiped�31m�over"
    shown = _shown(lambda c: TerminalView(c, "x"), _chunk(f"{hostile}\n"), terminal=True)
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown
    assert clean("tabs\tand\r\nlines") == "tabs\tand\nlines"


def test_sizes_and_durations_read_well() -> None:
    assert [size_text(n) for n in (17, 2048, 5 * 1024**2, 3 * 1024**3)] == [
        "17 B", "2.0 KiB", "5.0 MiB", "3.0 GiB",
    ]  # fmt: skip
    assert [duration_text(n) for n in (0.4, 312, 4200, 200_000)] == [
        "0 ms", "312 ms", "4.2 s", "3 min 20 s",
    ]  # fmt: skip


def test_a_terminal_of_its_own_gets_colours_and_its_cursor_back() -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    code = (
        "from slotgrid.cli.live import view_on\n"
        "from slotgrid.cli.output import print_json, screen\n"
        "from slotgrid.client import Event\n"
        "with view_on(screen(err=True), 'crawl') as view:\n"
        "    view.show(Event(1, 'chunk', {'data': 'a chunk'}))\n"
        "print_json({'text': 'x\\x1b[2J\\x9b'})\n"
    )
    env = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        read = bytearray()
        try:
            while piece := os.read(ours, 65536):
                read += piece
        except OSError:
            pass  # how a pty says that its other end is closed
        finally:
            os.close(ours)
    shown = read.decode()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "a chunk" in shown
    assert '\x1b[32m"x\\u001b[2J�"\x1b[0m' in shown
