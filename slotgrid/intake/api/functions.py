"""`GET /functions` and below: what can be run here."""

import orjson
from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, UnknownFunction
from slotgrid.intake import documents as d
from slotgrid.intake.body import paging
from slotgrid.intake.node import NODE
from slotgrid.intake.openapi import Endpoint, Scope, endpoint, json_answer
from slotgrid.records.views import function_detail


@endpoint(
    Endpoint(
        summary="List functions, by name",
        tag="functions",
        scope=Scope.READ,
        parameters=d.PAGING,
        answers={200: json_answer("A page of functions, and how many there are", d.FUNCTION_LIST)},
        problems=(InvalidSubmission,),
    )
)
async def list_functions(request: web.Request) -> web.Response:
    """`GET /functions`."""
    limit, offset = paging(request)
    node = request.app[NODE]
    specs = node.catalog.specs()
    page = [function_detail(spec, node.admission) for spec in specs[offset : offset + limit]]
    body = orjson.dumps({"functions": page, "total": len(specs)})
    return web.Response(body=body, content_type="application/json")


@endpoint(
    Endpoint(
        summary="One function, with the schema of its input",
        tag="functions",
        scope=Scope.READ,
        parameters=(d.FUNCTION_NAME,),
        answers={200: json_answer("The function", d.FUNCTION)},
        problems=(UnknownFunction,),
    )
)
async def get_function(request: web.Request) -> web.Response:
    """`GET /functions/{name}`; names may have slashes."""
    admission = request.app[NODE].admission
    spec = admission.function(request.match_info["name"])
    body = orjson.dumps(function_detail(spec, admission))
    return web.Response(body=body, content_type="application/json")
