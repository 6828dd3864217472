"""`GET /groups`: the groups of functions, and how many workers serve each."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import InvalidSubmission
from slotgrid.core.principal import Scope
from slotgrid.core.spec import FunctionSpec
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.framing import json_response
from slotgrid.intake.node_parts import NODE, Served
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.query import paging


@docs(
    summary="List groups, by name",
    tags=["functions"],
    scope=Scope.READ,
    parameters=d.PAGING,
    responses={200: json_answer("A page of groups, and their total", d.GROUP_LIST)},
    problems=(InvalidSubmission,),
)
async def list_groups(request: web.Request) -> web.Response:
    """`GET /groups`."""
    limit, offset = paging(request)
    node = request.config_dict[NODE]
    if node.groups is None:
        commit = await asyncio.to_thread(node.commit)
        own = Served((node.contract,), 1, () if commit is None else (commit,))
        groups = [(node.group, own)]
    else:
        groups = sorted((await node.groups()).items())
    specs = node.catalog.specs()
    page = [
        _shown(name, served, [spec for spec in specs if spec.group == name])
        for name, served in groups[offset : offset + limit]
    ]
    return json_response({"groups": page, "total": len(groups)})


def _shown(name: str, served: Served, specs: Sequence[FunctionSpec]) -> dict[str, Any]:
    kinds = Counter(kind for kind, _ in {(spec.kind, spec.name) for spec in specs})
    revisions = "\n".join(f"{spec.contract} {spec.name} {spec.revision}" for spec in specs)
    return {
        "name": name,
        "contracts": served.contracts,
        "functions_count": kinds["python"],
        "recipes_count": kinds["recipe"],
        "flows_count": kinds["flow"],
        "schedules_count": served.schedules,
        "hooks_count": served.hooks,
        "revision": hashlib.sha256(revisions.encode()).hexdigest()[:12],
        "commits": served.commits,
        "workers": served.workers,
    }
