"""The buttons of the dashboard: forms that call the API's handlers, then redirect to the page."""

from typing import NoReturn

from aiohttp import web
from aiohttp_apispec import docs

from balancer.api import workers as workers_api
from balancer.api.openapi_parts import WORKER_NAME
from balancer.dashboard import openapi_parts as d
from balancer.dashboard.access import RENDERING, check_form, logged_in
from slotgrid.core.principal import Scope
from slotgrid.intake.api import node as node_api
from slotgrid.intake.openapi import Handler

ANSWERS = dict.fromkeys((400, 403, 404, 409, 413, 415, 503), d.PAGE) | {303: d.SEE_OTHER}


def switches() -> list[web.RouteDef]:
    """The route of each button. The API's handlers apply their rules and audit."""
    node, worker = "/dashboard", "/dashboard/workers/{name}"
    return [
        web.post(f"{node}/on", _switch(node_api.switch_on, "End the balancer's maintenance")),
        web.post(f"{node}/off", _switch(node_api.switch_off, "Begin the balancer's maintenance")),
        web.post(
            f"{worker}/on", _switch(workers_api.switch_worker_on, "End a worker's maintenance")
        ),
        web.post(
            f"{worker}/off", _switch(workers_api.switch_worker_off, "Begin a worker's maintenance")
        ),
    ]


def _switch(act: Handler, summary: str) -> Handler:
    @logged_in(Scope.OPERATE)
    async def switch(request: web.Request) -> NoReturn:
        await check_form(request)
        await act(request)
        rendering, name = request.config_dict[RENDERING], request.match_info.get("name")
        raise web.HTTPSeeOther(rendering.base if name is None else rendering.worker_page(name))

    switch.__name__ = f"press_{getattr(act, '__name__', '')}"
    return docs(
        summary=summary,
        tags=["dashboard"],
        scope=Scope.PUBLIC,
        parameters=(WORKER_NAME,) if "worker" in switch.__name__ else (),
        responses=ANSWERS,
    )(switch)
