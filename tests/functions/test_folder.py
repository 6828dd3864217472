"""The folder as a worker sees it: all of it loads, and JSON goes in and comes out."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.schema import Schema
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from tests.worker.registry.registries import registry_of
from worker.json_values import plain_json
from worker.pages.errors import PageUnreachable
from worker.registry.definitions import ServiceDefinition
from worker.registry.registry import Registry

FOLDER = Path(__file__).parents[2] / "functions"
SHIPPED = {
    "crawl", "extract", "fill_form", "hello", "page_text", "page_title", "pdf", "render",
    "screenshot",
}  # fmt: skip
SHIPPED_RECIPES = {
    "examples/check_links", "examples/click_path", "examples/download_files",
    "examples/fill_from_file", "examples/invoice", "examples/login_cookies", "examples/page_data",
    "examples/page_report", "examples/price_watch", "examples/rows_to_csv", "examples/save_login",
    "examples/search", "examples/table_to_csv", "examples/tell",
}  # fmt: skip
SHIPPED_FLOWS = {"examples/members_to_csv", "examples/nightly_links", "examples/price_alarm"}


@pytest.fixture
async def registry() -> Registry:
    """The shipped folder, loaded."""
    registry = registry_of(FOLDER)
    await registry.load()
    return registry


async def run(
    registry: Registry, name: str, context: RecordingContext, given: Mapping[str, Any]
) -> Any:
    """Run a function as a worker does: JSON in, checked; JSON out, checked."""
    runnable = registry.runnable(name)
    assert runnable is not None
    assert runnable.spec.output is not None
    filled = runnable.spec.input.with_defaults(given)
    assert runnable.spec.input.violations(filled) == []
    result = plain_json(await runnable.run(context, filled))
    assert runnable.spec.output.violations(result) == []
    return result


async def test_the_whole_folder_loads(registry: Registry) -> None:
    assert registry.broken == ()
    # More may be there: whoever adds a function of their own has no test to change.
    assert {spec.name for spec in registry.specs()} >= SHIPPED | SHIPPED_RECIPES
    assert "chromium" in [tag.name for tag in registry.tags_defined]
    assert "static_server" in [service.name for service in registry.services_defined]


async def test_every_function_and_every_example_is_documented_truly(registry: Registry) -> None:
    for spec in (spec for spec in registry.specs() if spec.name in SHIPPED):
        assert spec.description.endswith("."), spec.name
        assert spec.output is not None, spec.name
        for name, schema in spec.input.document["properties"].items():
            whole = {"$defs": spec.input.document.get("$defs", {}), **schema}
            for example in schema.get("examples", ()):
                assert Schema(whole).violations(example) == [], (spec.name, name)


async def test_wrong_inputs_are_refused_with_their_places(registry: Registry) -> None:
    wrong: dict[str, tuple[dict[str, Any], set[str]]] = {
        "page_title": (
            {"url": "file:///etc/passwd", "wait_until": "ever"},
            {"/url", "/wait_until"},
        ),
        "screenshot": ({"url": "http://a", "viewport": {"width": 0}}, {"/viewport/width"}),
        "extract": ({"url": "http://a", "item": "", "fields": {}}, {"/fields", "/item"}),
        "crawl": ({"url": "http://a", "max_pages": 0, "depth": 1}, {"", "/max_pages"}),
        "pdf": (
            {"url": "http://a", "margin": "wide", "pages": "x", "width": "10"},
            {"/margin", "/pages", "/width"},
        ),
        "render": ({"files": {}}, {"/files"}),
    }
    for name, (given, places) in wrong.items():
        spec = registry.find(name)
        assert spec is not None
        found = spec.input.violations(given)
        assert {violation.pointer for violation in found} == places, name


async def test_an_attempt_at_a_page_that_is_at_fault_is_the_last(registry: Registry) -> None:
    runnable = registry.runnable("render")
    assert runnable is not None
    assert not runnable.allows_retry(PageUnreachable("its scripts are busy"))


async def test_every_field_has_a_meaning(registry: Registry) -> None:
    for spec in (spec for spec in registry.specs() if spec.name in {"pdf", "render", "screenshot"}):
        assert spec.output is not None
        for schema in (spec.input, spec.output):
            root = schema.document
            if "$ref" in root:
                root = root["$defs"][root["$ref"].rpartition("/")[2]]
            for name, field in root["properties"].items():
                assert field.get("description"), (spec.name, name)


async def test_passwords_are_marked_secret(registry: Registry) -> None:
    spec = registry.find("fill_form")
    assert spec is not None
    given = {"url": "http://a", "fields": {"User": "u"}, "secret_fields": {"Password": "p"}}
    assert spec.input.secrets(given) == ["p"]


async def test_json_goes_in_and_comes_out(
    registry: Registry, context: RecordingContext, site: Site
) -> None:
    await run(registry, "hello", context, {})
    title = await run(registry, "page_title", context, {"url": site.at("/arrived")})
    arrived = {"title": "Arrived", "url": site.at("/arrived"), "status": 200}
    assert title == arrived | {"loaded": True, "pending": []}
    await run(registry, "page_text", context, {"url": site.at("/pages/article.html")})
    await run(registry, "pdf", context, {"url": site.at("/pages/article.html")})
    shot = {"url": site.at("/arrived"), "viewport": {"width": 300, "height": 200}}
    assert (await run(registry, "screenshot", context, shot))["artifact"]["size"] > 0
    extracted = await run(
        registry, "extract", context,
        {"url": site.at("/catalogue"), "item": ".product",
         "fields": {"name": "h2", "id": {"attribute": "data-id"}}},
    )  # fmt: skip
    assert extracted["records"][0] == {"name": "Chair no. 1", "id": "1"}
    crawled = await run(
        registry, "crawl", context, {"url": site.at("/catalogue"), "max_pages": 2, "delay_s": 0}
    )
    assert len(crawled["pages"]) == 2
    plan = {"filename": "plan.txt", "content": base64.b64encode(b"12345").decode()}
    fields = {"Full name": "Ada", "E-mail": "a@b", "Quantity": 2, "plan": plan, "terms": True}
    outcome = await run(
        registry, "fill_form", context, {"url": site.at("/forms/order"), "fields": fields}
    )
    assert "plan.txt (5 bytes)" in outcome["text"]


async def test_render_runs_with_its_service(registry: Registry, context: RecordingContext) -> None:
    definition: ServiceDefinition = registry.services_defined[0]
    server = definition.factory()
    await server.start()
    try:
        context.services = {definition.name: server}
        dot = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"/>').decode()
        files = {"index.html": "<title>Dot</title><img src=dot.svg>"}
        given = {"files": files, "assets": {"dot.svg": dot}}
        rendering = await run(registry, "render", context, given)
    finally:
        await server.stop()
    assert (rendering["title"], rendering["complaints"]) == ("Dot", [])


@pytest.mark.parametrize(
    ("name", "given", "place"),
    [
        ("extract", {"item": "li", "fields": {"a": {"select": "b"}}}, "/input/fields/a"),
        ("screenshot", {"viewport": {"size": 300}}, "/input/viewport"),
        ("pdf", {"margin": {"all": "1cm"}}, "/input/margin"),
        ("render", {"files": {"a": ""}, "paper": {"size": "A5"}}, "/input/paper"),
        (
            "fill_form",
            {"fields": {"CV": {"filename": "a", "content": "", "type": "b"}}},
            "/input/fields/CV",
        ),
    ],
)
async def test_an_unknown_member_of_an_object_is_refused(
    registry: Registry, name: str, given: dict[str, Any], place: str
) -> None:
    runnable = registry.runnable(name)
    assert runnable is not None
    address = {} if name == "render" else {"url": "https://example.org/"}
    (fault,) = runnable.spec.input.violations({**address, **given})
    assert (f"/input{fault.pointer}", "unexpected" in fault.message) == (place, True)


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("page_title", {"wait_for": "a["}, "wait_for"),
        ("page_text", {"selector": "a["}, "selector"),
        ("screenshot", {"selector": "a["}, "selector"),
        ("screenshot", {"format": "jpeg", "omit_background": True}, "omit_background"),
        ("pdf", {"pages": "3-1"}, "pages"),
        ("pdf", {"margin": "20cm"}, "margin"),
        ("render", {"files": {"a.html": ""}}, "entry"),
        ("extract", {"item": "a[", "fields": {"b": "c"}}, "item"),
        ("extract", {"item": "a", "fields": {"b/c": "c["}}, "fields/b~1c"),
        ("extract", {"item": "a", "fields": {"b": "c"}, "next_page": "a["}, "next_page"),
        ("extract", {"item": "a", "fields": {"b": "c"}, "load_more": "a["}, "load_more"),
        ("crawl", {"load_more": "a["}, "load_more"),
    ],
)
async def test_what_a_function_refuses_is_the_fault_of_a_field(
    registry: Registry,
    context: RecordingContext,
    site: Site,
    *,
    name: str,
    given: dict[str, Any],
    field: str,
) -> None:
    address = {} if name == "render" else {"url": site.at("/catalogue")}
    with pytest.raises(InputRefused) as refused:
        await run(registry, name, context, {**address, **given})
    assert refused.value.field == field


async def test_an_element_that_does_not_appear_is_missed_by_its_field(
    registry: Registry, context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.elements.FIND_S", 0.2)
    for name, field in (("page_title", "wait_for"), ("screenshot", "selector")):
        with pytest.raises(Exception, match=rf"within 0.2 s \(`{field}`\)$"):
            await run(registry, name, context, {"url": site.url, field: "#ghost"})
