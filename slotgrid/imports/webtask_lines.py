"""Reads the `.webtask` spelling: lines of words, blocks that `end` closes."""

import re
from dataclasses import dataclass, field
from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.imports.webtask_model import Webtask, WebtaskInput, WebtaskStep
from slotgrid.imports.webtask_statements import FIRST_WORDS_MOST, STATEMENTS, Statement
from slotgrid.imports.webtask_tokens import LineFault, Token, is_open, scalar, tokens_of
from slotgrid.imports.webtask_yaml import head_comment
from slotgrid.steps.faults import nearest

TEXT_MOST = 1_000_000
"""Bytes of a file."""
NESTING_MOST = 20
"""Blocks in blocks."""
_CONTINUED_MOST = 200
"""Lines of one list or object."""

_HEADER = ("pool", "timeout", "transport", "setup", "input")
_JS = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?P<rest>.*)", re.DOTALL)
_ALL_WORDS = sorted({words[0] for words in STATEMENTS} | {*_HEADER, "js", "extract", "status"})


def read_line_tasks(path: str, data: bytes, notes: Notes) -> list[Webtask]:
    """The tasks in the bytes of a file."""
    if len(data) > TEXT_MOST:
        notes.left_out(1, f"the file has {len(data):,} bytes, more than {TEXT_MOST:,}")
        return []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        notes.left_out(data.count(b"\n", 0, cause.start) + 1, "the file is not UTF-8")
        return []
    reader = _Reader(path, notes)
    reader.read(text.splitlines())
    if reader.tasks:
        reader.tasks[0].description = head_comment(text)
    else:
        notes.left_out(1, 'this is no task: it has no line `task "name"`')
    return reader.tasks


@dataclass(slots=True)
class _Block:
    """An open block. `steps` is where its lines go; None for one that is left out."""

    line: int
    steps: list[WebtaskStep] | None
    extract: WebtaskStep | None = None
    """The step whose fields the lines are."""
    task: bool = False


@dataclass(slots=True)
class _Reader:
    path: str
    notes: Notes
    tasks: list[Webtask] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)
    status: str = ""
    record: bool = False

    def read(self, lines: list[str]) -> None:
        number = 0
        while number < len(lines):
            line, first = lines[number], number + 1
            number += 1
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            is_script = re.match(r"\s*(do\s+)?js\b", line) is not None
            while not is_script and number < len(lines) and is_open(line):
                if number - first >= _CONTINUED_MOST:
                    break
                line = f"{line}\n{lines[number]}"
                number += 1
            following = next((one for one in lines[number:] if one.strip()), "")
            try:
                self._line(line, first, deeper=_indent(following) > _indent(line))
            except LineFault as fault:
                self.notes.left_out(first, f"{fault}: {line.strip()[:80]}")
        for block in self.blocks:
            self.notes.differs(block.line, "the block that begins here has no `end`")

    def _line(self, line: str, number: int, *, deeper: bool) -> None:
        body = line.strip()
        word = body.split(None, 1)[0]
        if word == "end":
            self._end(number)
        elif word == "task":
            self._task(tokens_of(line), number)
        elif not self.blocks:
            self.notes.left_out(number, f"stands outside of a task: {body[:80]}")
        elif self.blocks[-1].steps is None:
            if deeper:
                self.blocks.append(_Block(number, None))
        elif (extract := self.blocks[-1].extract) is not None:
            self._field(extract, tokens_of(line), number)
        else:
            if word == "do":
                body = body[2:].lstrip()
            self._statement(body, number, deeper=deeper)

    def _task(self, tokens: list[Token], number: int) -> None:
        if self.blocks:
            self.notes.differs(self.blocks[0].line, "the task that begins here has no `end`")
            self.blocks.clear()
        if len(tokens) < 2:
            raise LineFault("a task has a name in quotes")
        task = Webtask(str(tokens[1].value), number, self.path)
        self.tasks.append(task)
        self.blocks.append(_Block(number, task.steps, task=True))
        self.status, self.record = "", False

    def _end(self, number: int) -> None:
        if not self.blocks:
            self.notes.differs(number, "this `end` closes nothing")
            return
        self.blocks.pop()

    def _statement(self, body: str, number: int, *, deeper: bool) -> None:
        word, _, rest = body.partition(" ")
        if word == "js":
            self._js(rest.strip(), number)
            return
        tokens = tokens_of(body)
        if not tokens:
            return
        if word in _HEADER:
            self._header(word, tokens[1:], number)
        elif word == "status":
            self.status = str(_at(tokens, 1, "a text"))
        elif word == "record" and len(tokens) == 1:
            self.record = True
        elif word == "extract":
            self._extract(tokens[1:], number)
        else:
            self._step(tokens, number, deeper=deeper)

    def _header(self, word: str, tokens: list[Token], number: int) -> None:
        task = self.tasks[-1]
        value = _at(tokens, 0, "a value")
        if word == "pool":
            task.pool = str(value)
        elif word == "setup":
            task.setup = str(value)
        elif word == "timeout":
            timeout = scalar(tokens[0])
            if isinstance(timeout, bool) or not isinstance(timeout, int | float):
                raise LineFault("a timeout is a number of milliseconds")
            task.timeout_ms = timeout
        elif word == "input":
            task.inputs.append(_input(tokens, number))

    def _step(self, tokens: list[Token], number: int, *, deeper: bool) -> None:
        statement, used = _statement_of(tokens)
        if statement is None:
            word = str(tokens[0].value)
            near = nearest(word, _ALL_WORDS)
            self.notes.left_out(number, f"`{word[:60]}` is no statement{near}")
            if deeper:
                self.blocks.append(_Block(number, None))
            return
        step = self._new_step(statement.word, number)
        step.parameters.update(statement.given)
        self._fill(step, statement, tokens[used:])
        self._add(step)
        if statement.is_block:
            self._open(step)

    def _fill(self, step: WebtaskStep, statement: Statement, tokens: list[Token]) -> None:
        positions = list(statement.positions)
        at = 0
        while at < len(tokens):
            token = tokens[at]
            key = str(token.value) if token.bare else ""
            if key in statement.keywords and (not positions or at + 1 < len(tokens)):
                positions.clear()
                at = self._keyword(step, statement, key, tokens, at + 1)
                continue
            while positions and positions[0] == "as" and not token.bare:
                positions.pop(0)
            if not positions:
                self.notes.left_out(step.line, f"`{str(token.value)[:60]}` is not understood")
            else:
                _put(step, positions.pop(0), scalar(token))
            at += 1

    def _keyword(
        self, step: WebtaskStep, statement: Statement, key: str, tokens: list[Token], at: int
    ) -> int:
        """Read the value behind a keyword; where the next one is."""
        name = statement.keywords[key]
        if at >= len(tokens) or (tokens[at].bare and str(tokens[at].value) in statement.keywords):
            _put(step, name, value=True)  # a flag
            return at
        if step.word == "loop" and tokens[at].bare and str(tokens[at].value) in {"js", "fn"}:
            name += "Fn" if tokens[at].value == "fn" else ""
            at += 1
            if at >= len(tokens):
                raise LineFault(f"nothing stands behind `{key}`")
        _put(step, name, scalar(tokens[at]))
        return at + 1

    def _extract(self, tokens: list[Token], number: int) -> None:
        step = self._new_step("extract", number)
        if tokens and tokens[0].bare and tokens[0].value != "from":
            step.name = str(tokens.pop(0).value)
        if len(tokens) < 2 or tokens[0].value != "from":
            raise LineFault('expected `extract NAME from "SELECTOR"`')
        step.parameters = {"selector": str(tokens[1].value), "repeat": False, "fields": {}}
        for token in tokens[2:]:
            if token.value == "repeat":
                step.parameters["repeat"] = True
            else:
                self.notes.left_out(number, f"`{str(token.value)[:60]}` is not understood")
        self._add(step)
        self._open(step, extract=True)

    def _field(self, step: WebtaskStep, tokens: list[Token], number: int) -> None:
        if len(tokens) < 3 or not tokens[1].bare:
            raise LineFault("expected a field: `name text`, `attr`, `html` or `const`")
        name, kind = str(tokens[0].value), str(tokens[1].value)
        rule: dict[str, Any] = {"kind": kind}
        rest = tokens[3:]
        if kind == "attr":
            rule["name"] = str(tokens[2].value)
            if len(rest) >= 2 and rest[0].value == "on":
                rule["selector"] = str(rest[1].value)
                rest = rest[2:]
        elif kind == "const":
            rule["value"] = scalar(tokens[2])
        elif kind in {"text", "html"}:
            rule["selector"] = str(tokens[2].value)
        else:
            raise LineFault(f"`{kind[:60]}` is no kind of field")
        if rest and rest[0].bare:
            rule["transform"] = str(rest.pop(0).value)
        if rest:
            self.notes.left_out(number, f"`{str(rest[0].value)[:60]}` is not understood")
        step.parameters["fields"][name] = rule

    def _js(self, rest: str, number: int) -> None:
        found = _JS.fullmatch(rest)
        if found is None:
            raise LineFault("expected `js NAME SCRIPT` or `js NAME fn MODULE`")
        step = self._new_step("js", number)
        step.name, script = found["name"], found["rest"]
        word = script.split(None, 1)[0] if script else ""
        if word == "fn":
            for key, value in _pairs(tokens_of(script)):
                step.parameters[key] = value
        else:
            if word == "args":
                tokens = tokens_of(_before_script(script))
                step.parameters["args"] = _at(tokens, 1, "a list")
                script = script[len(_before_script(script)) :].strip()
            if script.startswith("script "):
                script = script[len("script ") :].strip()
            if script.startswith('"') and script.endswith('"') and len(script) > 1:
                script = str(tokens_of(script)[0].value)
            step.parameters["script"] = script
        if not step.parameters.get("script", True):
            raise LineFault("expected a script behind the name")
        self._add(step)

    def _new_step(self, word: str, number: int) -> WebtaskStep:
        step = WebtaskStep(word, number, status=self.status, record=self.record)
        self.status, self.record = "", False
        return step

    def _add(self, step: WebtaskStep) -> None:
        steps = self.blocks[-1].steps
        assert steps is not None
        steps.append(step)

    def _open(self, step: WebtaskStep, *, extract: bool = False) -> None:
        if len(self.blocks) > NESTING_MOST:
            self.notes.left_out(step.line, f"blocks are nested deeper than {NESTING_MOST}")
            self.blocks.append(_Block(step.line, None))
            return
        self.blocks.append(_Block(step.line, step.steps, step if extract else None))


def _statement_of(tokens: list[Token]) -> tuple[Statement | None, int]:
    """The statement that the first tokens name, the longest one, and how many these are."""
    best: tuple[Statement | None, int] = None, 0
    words: list[str] = []
    for used, token in enumerate(tokens[:FIRST_WORDS_MOST], start=1):
        if not token.bare:
            break
        words += str(token.value).lower().split("-")
        if (found := STATEMENTS.get(tuple(words))) is not None:
            best = found, used
    return best


def _put(step: WebtaskStep, name: str, value: Any) -> None:
    if name == "as":
        step.name = str(value)
    elif name == "item":
        step.parameters["as"] = str(value)
    else:
        step.parameters[name] = value


def _input(tokens: list[Token], number: int) -> WebtaskInput:
    if len(tokens) < 2:
        raise LineFault("expected `input NAME TYPE`")
    given: dict[str, Any] = {"default": ""}
    at = 2
    while at < len(tokens):
        word = str(tokens[at].value)
        if word == "required" and tokens[at].bare:
            given["required"] = True
            at += 1
        elif word in {"default", "doc"} and tokens[at].bare:
            given[word] = _at(tokens, at + 1, "a value")
            at += 2
        else:
            raise LineFault(f"`{word[:60]}` is no part of an input")
    if given.get("required"):
        given["default"] = None
    return WebtaskInput(str(tokens[0].value), number, str(tokens[1].value), **given)


def _pairs(tokens: list[Token]) -> list[tuple[str, Any]]:
    return [(str(tokens[at].value), scalar(tokens[at + 1])) for at in range(0, len(tokens) - 1, 2)]


def _before_script(text: str) -> str:
    """`args` and its list, at the beginning of a line whose rest is a script."""
    depth, at, quoted = 0, 0, False
    while at < len(text):
        sign = text[at]
        if sign == "\\" and quoted:
            at += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted:
            depth += (sign in "[{") - (sign in "]}")
            if sign in "]}" and depth == 0:
                return text[: at + 1]
        at += 1
    raise LineFault("the list of `args` has no end")


def _at(tokens: list[Token], index: int, what: str) -> Any:
    if index >= len(tokens):
        raise LineFault(f"expected {what}")
    return tokens[index].value


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
