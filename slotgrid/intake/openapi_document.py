"""The OpenAPI 3.1 document of an application, from its handlers' notes and its functions.

Built as plain data: the builder of aiohttp-apispec writes Swagger 2.0 and changes the notes
that it reads, and apispec itself reads a schema's `true` and `false` as names of components.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from aiohttp import web

from slotgrid.core.schema import JsonSchema
from slotgrid.core.spec import Catalog, FunctionSpec
from slotgrid.intake.function_components import function_components
from slotgrid.intake.mount_resources import MountResource
from slotgrid.intake.openapi import KEY_SCHEMES, endpoint_of
from slotgrid.intake.openapi_parts import COMPONENTS
from slotgrid.intake.sample_values import sample_of
from slotgrid.intake.schemas.basics import ref
from slotgrid.intake.schemas.problems import EXAMPLES

TAGS = {
    "tasks": "Run functions and follow their tasks",
    "functions": "The functions that this node offers",
    "workers": "The workers that a balancer follows",
    "hooks": "Tasks that requests without a key start at a balancer",
    "schedules": "Tasks that a balancer starts by time",
    "files": "The folders that `mounts.yaml` lists",
    "node": "The state of this node",
    "dashboard": "The fleet as a web page",
    "docs": "This documentation",
}
DESCRIPTION = """\
Browser work on slots: `POST /task` runs a function on a free slot, in order of priority, and
answers with the result, with a stream of events, or at once with the task's id.

An error is always `application/problem+json`; its `type` is the path of a page with advice. A
path that does not exist answers 404 `not-found`, another method 405 `method-not-allowed`.
"""
NO_COMPONENTS: Mapping[str, JsonSchema] = MappingProxyType({})


class OpenApiDocument:
    """The document of one application, rebuilt on request if the functions have changed.

    `root_path` is the prefix under which a proxy serves the node; `/` or empty for none;
    `components` are schemas that only this kind of node has; `mounts_version` changes with the
    static mounts.
    """

    def __init__(
        self,
        app: web.Application,
        catalog: Catalog,
        *,
        title: str,
        version: str,
        root_path: str,
        components: Mapping[str, JsonSchema] = NO_COMPONENTS,
        mounts_version: Callable[[], int] = lambda: 0,
    ) -> None:
        self._mounts_version = mounts_version
        self._components = {**COMPONENTS, **components}
        self._app = app
        self._catalog = catalog
        self._title = title
        self._version = version
        self._root_path = root_path
        self._made: tuple[tuple[int, int], bytes] | None = None

    def current(self) -> bytes:
        """The document as JSON, with the current functions."""
        version = (self._catalog.version, self._mounts_version())
        if self._made is None or self._made[0] != version:
            self._made = (version, orjson.dumps(self.build()))
        return self._made[1]

    def build(self) -> dict[str, Any]:
        """The document. Deterministic, even in its order, for one application and its functions."""
        # If several groups or contracts have functions of one name, the last one is listed.
        specs = list({spec.name: spec for spec in self._catalog.specs()}.values())
        examples = _examples(specs)
        paths: dict[str, dict[str, Any]] = {}
        tags: set[str] = set()
        for method, path, operation in operations(self._app):
            tags.update(operation["tags"])
            paths.setdefault(path, {})[method] = _with_examples(operation, examples)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self._title,
                "version": self._version,
                "description": DESCRIPTION,
            },
            "servers": [{"url": self._root_path or "/"}],
            "tags": [
                {"name": name, "description": text} for name, text in TAGS.items() if name in tags
            ],
            "paths": paths,
            "components": {
                "schemas": {
                    **self._components,
                    **function_components(specs, self._components),
                },
                "examples": EXAMPLES,
                "securitySchemes": _security_schemes(),
            },
        }


def operations(app: web.Application) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of every route with notes, in the order of the routes.

    HEAD, which aiohttp adds to each GET, is left out. Static mounts come last.
    """
    for route in app.router.routes():
        if isinstance(route.resource, MountResource):
            continue
        endpoint = endpoint_of(route.handler)
        if endpoint is not None and route.method != "HEAD" and route.resource is not None:
            yield route.method.lower(), path_of(route.resource), endpoint.to_openapi()

    for resource in app.router.resources():
        if isinstance(resource, MountResource):
            yield from resource.operations()


def path_of(resource: web.AbstractResource) -> str:
    """A route's path in OpenAPI's form: without the patterns of its parameters."""
    return re.sub(r"\{(\w+):[^}]+\}", r"{\1}", resource.canonical)


def _examples(specs: Sequence[FunctionSpec]) -> dict[str, dict[str, Any]]:
    """Valid bodies by the reference to their component; those with fewest required fields first."""
    bodies, inputs = {}, {}
    for spec in sorted(specs, key=lambda spec: len(spec.input.document.get("required", ()))):
        sample = sample_of(spec.input)
        if sample is not None:
            summary = f"{spec.name}: {spec.description}" if spec.description else spec.name
            bodies[spec.name] = {
                "summary": summary,
                "value": {"function": spec.name, "input": sample},
            }
            inputs[spec.name] = {"summary": summary, "value": sample}
    return {
        ref("Submission")["$ref"]: bodies,
        ref("FunctionInput")["$ref"]: inputs,
    }


def _with_examples(
    operation: dict[str, Any], examples: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """The operation, with the examples for its body, if any."""
    if "requestBody" not in operation:
        return operation
    content = {
        media_type: body | ({"examples": found} if found else {})
        for media_type, body in operation["requestBody"]["content"].items()
        for found in [examples.get(body["schema"].get("$ref", ""))]
    }
    return {**operation, "requestBody": {**operation["requestBody"], "content": content}}


def _security_schemes() -> dict[str, dict[str, str]]:
    key, bearer = KEY_SCHEMES
    return {
        key: {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The key alone. Without this header, `x-lb-auth` is read in its place",
        },
        bearer: {"type": "http", "scheme": "bearer", "description": "The key after `Bearer`"},
    }
