"""The pages of the shipped functions, `docs/functions/*.md`, made from the functions themselves.

`python -m tests.docs.function_pages` (`make docs`) runs the examples, and writes the pages and
the README's list.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

from slotgrid.core.spec import FunctionSpec
from tests.docs.function_examples import EXAMPLES, SITE, Example
from tests.docs.pages import DOCS, README, ROOT, blocks, table_after
from tests.docs.reader import Reader, same, worker
from tests.docs.schema_tables import SchemaTables, lines
from tests.docs.tables import functions_table, recipes_table, shipped_specs, table
from tests.harness.processes.home import Home

FOLDER = DOCS / "functions"
BROWSER_OPTIONS = "browser-options.md"
"""The page of the block that most functions have; where it is missing, each page has its table."""
SERVE = "python3 -m http.server 8000 --bind 127.0.0.1 --directory docs/functions/site"


def path_of(name: str) -> Path:
    """The page of a function."""
    return FOLDER / f"{name}.md"


def written_answers(name: str) -> list[str]:
    """The answers that the page has now."""
    page = path_of(name)
    found = blocks(page) if page.exists() else []
    return [block.text.rstrip("\n") for block in found if block.language == "text"]


def page(spec: FunctionSpec, answers: Sequence[str]) -> str:
    """The page of a function, with the answers of its examples."""
    description, limits = _docstring(spec.name)
    options = DOCS / BROWSER_OPTIONS
    elsewhere = {"BrowserOptions": f"../{BROWSER_OPTIONS}"} if options.exists() else {}
    given = SchemaTables(spec.input.document, elsewhere, is_input=True)
    parts = [
        [f"# {spec.name}"],
        [f"<!-- Written by `make docs` from functions/{spec.name}.py: change that, not this. -->"],
        description,
        [_facts(spec)],
        ["## Examples"],
        *_examples(EXAMPLES[spec.name], answers),
        ["## Input"],
        given.fields(),
        *_sections(given),
    ]
    if spec.output is not None:
        result = SchemaTables(spec.output.document, elsewhere)
        parts += [["## Result"], [result.description], result.fields(), *_sections(result)]
    if limits:
        parts += [["## What it does not do"], limits]
    return lines(parts) + "\n"


INDEX = """\
# Functions that are shipped

<!-- Written by `make docs`. -->

Each page has a function's input, its result, what it does not do, and examples with their real
answers: the tests run every one. [Write functions](../functions.md) shows how to make your own.

{table}

## Recipes

Eleven recipes show what is done without code. Copy one into your own folder and change it; each is
a function, and the tests run it. [Write recipes](../recipes.md) explains them.

{recipes}

## Run the examples

`make run` starts a fleet in one terminal; its first worker, on port 3000, answers the examples with
`curl`. Most examples read [a small site](site), which this serves in a second terminal:

```sh
{serve}
```

In a third, in the project's folder:

```sh
source .venv/bin/activate
export KEY=$(slotgrid key)
```
"""


def index(specs: Sequence[FunctionSpec]) -> str:
    """The list of the pages."""
    rows = [(f"[`{spec.name}`]({spec.name}.md)", spec.description) for spec in specs]
    listed = "\n".join(table(("Function", "What it does"), rows))
    recipes = "\n".join(recipes_table("../../functions"))
    return INDEX.format(table=listed, recipes=recipes, serve=SERVE)


def _docstring(name: str) -> tuple[list[str], list[str]]:
    """A function's description, and the list of what it does not do."""
    function: Callable[..., object] = getattr(import_module(f"functions.{name}"), name)
    text, _, limits = (inspect.getdoc(function) or "").partition("\nLimits:\n")
    return text.rstrip().splitlines(), limits.strip().splitlines()


def _facts(spec: FunctionSpec) -> str:
    facts = [f"Time limit: {spec.timeout_s:g} s."]
    if spec.retries:
        facts.append(f"Retries after a failure: {spec.retries}.")
    if "stream" in spec.modes:
        facts.append("Mode `stream` delivers parts of the result as they come.")
    return " ".join(facts)


def _examples(examples: Sequence[Example], answers: Sequence[str]) -> Iterator[list[str]]:
    yield ["[How to run them](README.md#run-the-examples)."]
    for number, example in enumerate(examples):
        yield [example.says]
        yield ["```sh", example.command, "```"]
        yield ["```text", answers[number] if number < len(answers) else "", "```"]


def _sections(tables: SchemaTables) -> Iterator[list[str]]:
    for name, description, fields in tables.blocks():
        yield [f"### {name}"]
        yield [description]
        yield fields


@contextmanager
def served_site() -> Iterator[str]:
    """The small site of the examples; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """The tests' output is no place for it."""

    files = partial(Quiet, directory=str(FOLDER / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _write_all() -> None:
    specs = shipped_specs()
    with tempfile.TemporaryDirectory() as folder, served_site() as site:
        home = Home(Path(folder) / "home")
        try:
            with worker(home) as started:
                reader = Reader(started, {SITE: site})
                for spec in specs:
                    commands = [example.command for example in EXAMPLES[spec.name]]
                    answers = [reader.types(f"{command}\n").strip() for command in commands]
                    # Times and ids stay as they are, so that a page changes only where it must.
                    kept = {same(answer): answer for answer in written_answers(spec.name)}
                    answers = [kept.get(same(answer), answer) for answer in answers]
                    _write(path_of(spec.name), page(spec, answers))
        finally:
            home.end_everything()
    _write(FOLDER / "README.md", index(specs))
    readme = README.read_text(encoding="utf-8")
    old = "\n".join(table_after(README, "## Functions that are shipped"))
    _write(README, readme.replace(old, "\n".join(functions_table())))


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    _write_all()
