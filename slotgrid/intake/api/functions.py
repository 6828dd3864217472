"""`GET /functions` and below: the functions of the node."""

import orjson
from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import InvalidSubmission, UnknownFunction
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.query import paging, whole
from slotgrid.records.json_views import function_detail


@docs(
    summary="List functions, by name",
    tags=["functions"],
    scope=Scope.READ,
    parameters=(*d.PAGING, *d.FUNCTION_FILTERS),
    responses={200: json_answer("A page of functions, and their total", d.FUNCTION_LIST)},
    problems=(InvalidSubmission,),
)
async def list_functions(request: web.Request) -> web.Response:
    """`GET /functions`."""
    limit, offset = paging(request)
    node = request.config_dict[NODE]
    group, contract = _requested(request)
    specs = [
        spec
        for spec in node.catalog.specs()
        if group in {None, spec.group} and contract in {None, spec.contract}
    ]
    page = [function_detail(spec, node.admission) for spec in specs[offset : offset + limit]]
    body = orjson.dumps({"functions": page, "total": len(specs)})
    return web.Response(body=body, content_type="application/json")


@docs(
    summary="One function, with the schema of its input",
    tags=["functions"],
    scope=Scope.READ,
    parameters=(d.FUNCTION_NAME, *d.FUNCTION_FILTERS),
    responses={200: json_answer("The function", d.FUNCTION)},
    problems=(InvalidSubmission, UnknownFunction),
)
async def get_function(request: web.Request) -> web.Response:
    """`GET /functions/{name}`; names may have slashes."""
    admission = request.config_dict[NODE].admission
    spec = admission.function(request.match_info["name"], *_requested(request))
    body = orjson.dumps(function_detail(spec, admission))
    return web.Response(body=body, content_type="application/json")


def _requested(request: web.Request) -> tuple[str | None, int | None]:
    """The group and contract in the query, each None if absent."""
    contract = whole(request, "contract", 0)
    return request.query.get("group"), contract or None
