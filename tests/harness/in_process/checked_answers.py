"""Holds every answer of a node against the node's own OpenAPI document."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from slotgrid.intake.api.docs import DOCUMENT
from slotgrid.intake.mount_resources import MountResource
from slotgrid.intake.openapi_document import path_of

BASE = "urn:document"
TERMINAL = {"done", "error"}


def check_answers(app: web.Application) -> list[str]:
    """Check whatever the application answers from now on; the list fills with what is wrong."""
    faults: list[str] = []
    documented = Documented(app[DOCUMENT].current)
    written: dict[int, bytearray] = {}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as redirect:
            faults.extend(documented.faults(request, redirect, b""))
            raise
        body = bytes(written.pop(id(request), b""))
        if request.transport is None or request.transport.is_closing():
            return response  # nobody gets it
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            body = response.body
        faults.extend(documented.faults(request, response, body))
        return response

    async def listen(request: web.Request, response: web.StreamResponse) -> None:
        if isinstance(response, web.Response | web.FileResponse):
            return
        heard = written[id(request)] = bytearray()
        write = response.write

        async def write_and_keep(data: bytes) -> None:
            heard.extend(data)
            await write(data)

        response.write = write_and_keep  # type: ignore[method-assign, assignment]

    app.middlewares.insert(0, check)
    app.on_response_prepare.append(listen)
    return faults


class Documented:
    """What a document says of an answer; read anew with each change of the document."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._text = b""
        self._paths: dict[str, Any] = {}
        self._registry: Registry[Any] = Registry()

    def faults(
        self, request: web.Request, response: web.StreamResponse, body: bytes
    ) -> Iterator[str]:
        """Where the answer to a request differs from what is documented."""
        if request.method == "OPTIONS":
            return  # a preflight belongs to the browser, not to the API
        if request.match_info.http_exception is not None:
            yield from self.problem_faults(body, f"{request.method} {request.path_qs}")
            return
        resource = request.match_info.route.resource
        assert resource is not None
        if isinstance(resource, MountResource):
            path = resource.path_at(request.match_info["mounted"])
        else:
            path = path_of(resource)
        yield from self.answer_faults(
            "get" if request.method == "HEAD" else request.method.lower(),
            path,
            response.status,
            response.content_type,
            body,
        )

    def problem_faults(self, body: bytes, where: str) -> Iterator[str]:
        """Where a body differs from any problem."""
        self._refresh()
        yield from self._wrong({"$ref": "#/components/schemas/Problem"}, [body], where)

    def answer_faults(
        self, method: str, path: str, status: int, content_type: str, body: bytes
    ) -> Iterator[str]:
        """Where an answer differs from what is documented of that method of that path."""
        self._refresh()
        where = f"{method} {path} -> {status}"
        answers = self._paths[path][method]["responses"]
        declared = answers.get(str(status))
        if declared is None:
            yield f"{where}: declared are {', '.join(answers)}"
            return
        if not body:
            return
        content = declared.get("content", {})
        media = content.get(content_type) or content.get("*/*")
        if media is None:
            yield f"{where}: {content_type} is not declared, but {', '.join(content)}"
        elif "x-itemSchema" in media["schema"]:
            sse = content_type == "text/event-stream"
            items = [orjson.dumps(f) for f in frames(body)] if sse else body.splitlines()
            yield from self._wrong(media["schema"]["x-itemSchema"], items, where)
            yield from _wrong_order([orjson.loads(item) for item in items], where)
        elif content_type.endswith("json"):
            yield from self._wrong(media["schema"], [body], where)

    def _refresh(self) -> None:
        text = self._read()
        if text is self._text:
            return
        self._text, document = text, orjson.loads(text)
        self._paths = document["paths"]
        schemas = {
            name: part if re.search(r"\.(input|output)(\.|$)", name) else _closed(part)
            for name, part in document["components"]["schemas"].items()
        }
        whole: Resource[Any] = DRAFT202012.create_resource({"components": {"schemas": schemas}})
        self._registry = Registry().with_resource(BASE, whole)

    def _wrong(self, schema: Mapping[str, Any], values: list[bytes], where: str) -> Iterator[str]:
        validator = Draft202012Validator(_based(schema), registry=self._registry)
        for value in values:
            for error in validator.iter_errors(orjson.loads(value)):
                yield f"{where}: {error.json_path}: {error.message[:500]}"


def _wrong_order(items: list[dict[str, Any]], where: str) -> Iterator[str]:
    kinds = [item["event"] for item in items if "event" in item]
    if kinds and [kind for kind in kinds if kind in TERMINAL] != kinds[-1:]:
        yield f"{where}: not exactly one last event: {kinds[-10:]}"
    ids = [item["id"] for item in items if "id" in item]
    if ids != sorted(set(ids)):
        yield f"{where}: ids do not grow: {ids}"


def frames(body: bytes) -> Iterator[dict[str, Any]]:
    """The events of a server-sent stream, as an NDJSON line would show them."""
    for block in body.decode().split("\n\n"):
        found = dict(re.findall(r"^(\w+): (.*)$", block, flags=re.MULTILINE))
        if not found:
            continue
        event = {"event": found["event"], "data": orjson.loads(found["data"])}
        yield event | ({"id": int(found["id"])} if "id" in found else {})


def _closed(part: Any) -> Any:
    """A schema to which members that it does not name are faults."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    closed = {name: _closed(value) for name, value in part.items()}
    if part.get("type") == "object" and isinstance(part.get("properties"), Mapping):
        closed.setdefault("additionalProperties", False)
    return closed


def _based(part: Any) -> Any:
    if isinstance(part, list):
        return [_based(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    return {name: BASE + value if name == "$ref" else _based(value) for name, value in part.items()}
