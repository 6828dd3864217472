"""`GET /users`: who may call this node."""

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.auth import USERS
from slotgrid.intake.framing import json_response
from slotgrid.intake.openapi import json_answer


@docs(
    summary="List the users of this node",
    tags=["node"],
    scope=Scope.ADMIN,
    description="`slotgrid users` changes them. Keys are shown by their end alone.",
    responses={200: json_answer("The users by name, the built-in one first", d.USER_LIST)},
)
async def list_users(request: web.Request) -> web.Response:
    """`GET /users`."""
    users = request.config_dict[USERS].list()
    return json_response({"users": users, "total": len(users)})
