"""What is found in the folder, under which name, and what is said of what cannot be used."""

import asyncio
import gc
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slotgrid.runtime.regular_file import MOST
from tests.worker.registry.conftest import Folder, run
from tests.worker.registry.registries import registry_of
from worker.registry import assembly
from worker.registry.python.function import PythonFunction
from worker.registry.registry import Registry


async def broken_error(registry: Registry, path: str) -> str:
    await registry.load()
    errors = {broken.path: broken.error for broken in registry.broken}
    assert path in errors, errors
    return errors[path]


async def test_a_function_is_named_by_its_path(folder: Folder, registry: Registry) -> None:
    folder.write_function("hello.py")
    folder.write_function("shop/price-of.py")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["hello", "shop/price-of"]
    assert registry.find("shop/price-of") is registry.specs()[1]
    assert registry.find("shop") is None
    assert registry.runnable("nothing") is None
    assert not registry.broken


async def test_an_absent_folder_is_an_empty_one(tmp_path: Path, make_registry: Any) -> None:
    registry = make_registry()
    registry_of_nothing = registry_of(tmp_path / "nowhere")
    await registry.load()
    await registry_of_nothing.load()
    assert registry_of_nothing.specs() == []
    assert registry_of_nothing.version == 1


async def test_helpers_hidden_files_and_other_files_are_not_functions(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("hello.py")
    for name in ("_helper.py", "_lib/inner.py", ".hidden.py", ".git/x.py", "shop/__init__.py"):
        folder.write(name, "LIMIT = 1")
    folder.write("notes.txt", "not Python", header="")
    folder.write("__pycache__/hello.py", "broken (", header="")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["hello"]
    assert not registry.broken


async def test_relative_imports_reach_helpers_packages_and_other_functions(
    folder: Folder, registry: Registry
) -> None:
    folder.write("_limits.py", "LIMIT = 3")
    folder.write("shop/__init__.py", "from .._limits import LIMIT as TOP")
    folder.write("shop/_pages.py", "PAGES = 4")
    folder.write("shop/price.py", "from . import TOP\n@function()\ndef price(context): ...")
    folder.write_function(
        "shop/sum.py",
        returned="LIMIT + PAGES + _pages.PAGES + TOP + late()",
        imports="""
from . import TOP, _pages
from .._limits import LIMIT
from ._pages import PAGES
from .price import price

def late():
    from ._pages import PAGES
    return PAGES
""",
    )
    await registry.load()
    assert not registry.broken
    assert await run(registry, "shop/sum") == 3 + 4 + 4 + 3 + 4


async def test_a_file_and_a_folder_may_share_a_name(folder: Folder, registry: Registry) -> None:
    folder.write_function("shop.py", returned="1")
    folder.write("shop/__init__.py", "TOP = 5")
    folder.write("shop/_pages.py", "PAGES = 6")
    folder.write_function(
        "shop/price.py", "TOP + PAGES", imports="from . import TOP\nfrom ._pages import PAGES"
    )
    await registry.load()
    assert not registry.broken
    assert await run(registry, "shop") == 1
    assert await run(registry, "shop/price") == 11
    folder.write("shop.py", "syntax error here")
    await registry.load()
    assert await run(registry, "shop/price") == 11
    assert [broken.path for broken in registry.broken] == ["shop.py"]


async def test_the_spec_says_what_the_decorator_said(
    folder: Folder, make_registry: Callable[..., Registry]
) -> None:
    folder.write(
        "fetch.py",
        '''
        @function(timeout_s=5, streaming=True, retries=2, pool="quick", concurrency=3, rate="10/m",
                  secrets=("API_KEY",))
        async def fetch(context: Context) -> str:
            """Fetch a thing
            from somewhere.

            More about it.
            """
            return "x"
        ''',
    )
    folder.write("plain.py", "@function(modes=('sync',))\ndef plain(context): ...")
    registry = make_registry(
        pools={"default": "context", "quick": "context"}, group="shop", contract=4
    )
    await registry.load()
    spec, plain = registry.find("fetch"), registry.find("plain")
    assert spec is not None
    assert plain is not None
    assert registry.find("fetch", "shop", 4) is spec
    assert registry.find("fetch", "other") is registry.find("fetch", "shop", 5) is None
    assert spec.description == "Fetch a thing from somewhere."
    assert spec.modes == ("sync", "stream", "webhook", "async")
    assert (spec.timeout_s, spec.retries, spec.pool, spec.concurrency) == (5, 2, "quick", 3)
    assert spec.rate == (10, 60.0)
    assert (spec.group, spec.contract, spec.kind) == ("shop", 4, "python")
    assert (plain.modes, plain.timeout_s, plain.description) == (("sync",), 30.0, "")
    runnable, plain_runnable = registry.runnable("fetch"), registry.runnable("plain")
    assert isinstance(runnable, PythonFunction)
    assert isinstance(plain_runnable, PythonFunction)
    assert runnable.is_coroutine
    assert not plain_runnable.is_coroutine
    assert runnable.secrets == {"API_KEY": "sesame"}
    with pytest.raises(TypeError, match="does not support item assignment"):
        runnable.secrets["API_KEY"] = "changed"  # type: ignore[index]  # a function may try it
    assert "sesame" not in repr(runnable)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def x(:\n    pass", "line 2: SyntaxError"),
        ("import no_such_module", "line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from ._gone import x", "line 2: ModuleNotFoundError: No module named '_gone'"),
        ("from ._divides import x", "_divides.py, line 2: ZeroDivisionError"),
        ("raise SystemExit(3)", "line 2: SystemExit: 3"),
        ("LIMIT = 1", "defines no @function, @tag or @service"),
        ("from .good import run", "defines no @function"),
        (
            "@function()\nasync def a(context): ...\n@function()\nasync def b(context): ...",
            "`a` and `b` are both marked @function",
        ),
        ("@function(rate='often')\nasync def a(context): ...", "line 2: ValueError: rate is"),
        ("@function(pool='gone')\nasync def a(context): ...", "line 2: pool `gone`"),
        (
            "@function(secrets=('NO',))\nasync def a(context): ...",
            "lacks the secret NO: environment",
        ),
        ("@function(requires=('db',))\nasync def a(context): ...", "requires the service `db`"),
        ("@function()\nasync def a(): ...", "first parameter must be the context"),
        ("@function()\nasync def a(context, *rest): ...", "`*rest` cannot be given by name"),
        ("@function()\nasync def a(context, b, /): ...", "`b` cannot be given by name"),
        ("@function()\nasync def a(context, b: type): ...", "parameter `b` has no JSON Schema"),
        ("@function()\nasync def a(context, b: 'Gone'): ...", "name 'Gone' is not defined"),
        ("@function()\nasync def a(context) -> type: ...", "the returned type has no JSON"),
        ("@function()\nasync def a(context, b=object()): ...", "the default of `b` is not JSON"),
        ("@function(input={'type': 3})\nasync def a(context): ...", 'have the type "object"'),
        ("@function(output={'type': 3})\nasync def a(context): ...", "output schema is not valid"),
        (
            "@function(input={'properties': {'b': {}}})\nasync def a(context): ...",
            "has `b`, the function has not",
        ),
        ("@function()\nasync def a(context):\n    yield 1", "values of `yield` would be lost"),
        ("@function()\nclass A: ...", "marks a type, expected `def`"),
        ("@service('s')\nclass A: ...", "service `s` lacks `async def start(self)`"),
        ("@tag('t')\ndef a(): ...\n@tag('t')\ndef b(): ...", "defines the tag `t` twice"),
    ],
)
async def test_a_broken_file_is_told_and_stops_nothing_else(
    folder: Folder, registry: Registry, text: str, said: str
) -> None:
    folder.write_function("good.py", returned="7")
    folder.write("_divides.py", "x = 1 / 0")
    folder.write("bad.py", text)
    assert said in await broken_error(registry, "bad.py")
    assert len(registry.broken) == 1
    assert [spec.name for spec in registry.specs()] == ["good"]
    assert await run(registry, "good") == 7


async def test_a_name_that_no_address_can_carry_is_refused(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("v1.2/hello.py")
    assert "`v1.2` cannot be in a function's name" in await broken_error(registry, "v1.2/hello.py")


async def test_a_file_that_is_not_text_or_cannot_be_read_is_broken(
    folder: Folder, registry: Registry
) -> None:
    (folder.path / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    (folder.path / "nowhere.py").symlink_to(folder.path / "gone")
    # Until 3.11.3 Python says ValueError of a zero byte.
    assert re.search("SyntaxError|null bytes", await broken_error(registry, "binary.py"))
    assert "cannot be read" in await broken_error(registry, "nowhere.py")


async def test_what_is_no_file_of_a_fair_size_is_broken_and_holds_up_nothing(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("good.py", returned="7")
    os.mkfifo(folder.path / "pipe.py")
    (folder.path / "device.py").symlink_to("/dev/zero")
    with (folder.path / "large.py").open("wb") as large:
        large.truncate(MOST + 1)
    async with asyncio.timeout(20):
        assert "no regular file" in await broken_error(registry, "pipe.py")
    errors = {broken.path: broken.error for broken in registry.broken}
    assert errors["device.py"].endswith("cannot be read: it is no regular file")
    assert errors["large.py"].endswith("it has more than 16,777,216 bytes")
    assert await run(registry, "good") == 7


@pytest.mark.parametrize("kind", ["tag", "service"])
async def test_of_two_files_with_one_tag_or_service_the_first_keeps_it(
    folder: Folder, registry: Registry, kind: str
) -> None:
    texts = {
        "tag": "@tag('twin')\ndef twin(): return 1",
        "service": "@service('twin')\nclass Twin:\n    async def start(self): ...\n"
        "    async def stop(self): ...\n    async def status(self): ...",
    }
    folder.write("a.py", texts[kind])
    folder.write("b.py", texts[kind])
    error = await broken_error(registry, "b.py")
    assert error == f"b.py and a.py both define the {kind} `twin`"
    defined = registry.tags_defined if kind == "tag" else registry.services_defined
    assert [definition.path for definition in defined] == ["a.py"]


@pytest.mark.parametrize("endless", ["while True: pass", "import time; time.sleep(2)"])
async def test_an_import_that_does_not_end_is_given_up(
    folder: Folder, make_registry: Callable[..., Registry], endless: str
) -> None:
    folder.write_function("good.py", returned="7")
    mark = "import os\nos.close(os.open(__file__ + '.begun', os.O_CREAT | os.O_EXCL))\n"
    folder.write("endless.py", mark + endless)
    registry = make_registry({"import_timeout_s": 0.2})
    assert "takes longer than 0.2 s" in await broken_error(registry, "endless.py")
    assert await run(registry, "good") == 7
    folder.write_function("good.py", returned="8")
    await registry.load()
    assert await run(registry, "good") == 8
    # What hung is not tried again at once, so that it delays nothing else:
    # its first line would fail at a second try.
    assert "takes longer" in registry.broken[0].error


async def test_a_dropped_registry_leaves_no_module_behind(
    folder: Folder, make_registry: Callable[..., Registry]
) -> None:
    folder.write_function("hello.py")
    registry = make_registry()
    await registry.load()
    runnable = registry.runnable("hello")
    assert isinstance(runnable, PythonFunction)
    module = runnable.callable.__module__
    assert module in sys.modules
    del registry, runnable
    for thread in threading.enumerate():
        if thread.name.startswith("functions-import-hello"):
            thread.join()
    await asyncio.sleep(0)  # the loop lets go of its last step
    gc.collect()
    assert module not in sys.modules


async def test_functions_beyond_what_a_balancer_takes_are_broken_until_there_is_room(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "FUNCTIONS_LIMIT", 2)
    for name in ("a.py", "b.py", "c.py", "sub/d.py"):
        folder.write_function(name)
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["a", "b"]
    assert [broken.path for broken in registry.broken] == ["c.py", "sub/d.py"]
    assert "offers 2 functions already" in registry.broken[0].error
    assert registry.broken[0].kept_revision is None
    folder.remove("a.py")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["b", "c"]
    assert [broken.path for broken in registry.broken] == ["sub/d.py"]
    folder.remove("b.py")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["c", "sub/d"]
    assert registry.broken == ()


async def test_a_function_that_no_link_can_carry_is_broken(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("good.py")
    folder.write(
        "bad.py",
        '''
        @function()
        async def run(context: Context) -> int:
            """No UTF-8: \\udcff."""
        ''',
    )
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["good"]
    assert "cannot be sent as JSON" in registry.broken[0].error
