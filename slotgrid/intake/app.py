"""The aiohttp application of a node: its routes and its middleware."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slotgrid.core.principal import Scope
from slotgrid.intake.api import artifacts, batch, events, functions, groups, streams, submit, tasks
from slotgrid.intake.api import node as node_api
from slotgrid.intake.api import users as users_api
from slotgrid.intake.auth import USERS, authenticate
from slotgrid.intake.caller_address import TRUSTED, Networks
from slotgrid.intake.node_parts import NODE, Node
from slotgrid.intake.openapi import with_scope
from slotgrid.intake.problems import answer_to, problem_page
from slotgrid.intake.query import check_query, is_for_programs
from slotgrid.intake.refused_keys import REFUSED_KEYS, RefusedKeys
from slotgrid.intake.server_connections import close_if_unread
from slotgrid.users.users import Users


def answering(users: Users) -> Middleware:
    """The middleware in front of every handler, for the keys of these users."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Authenticate the caller, run the handler, and convert an exception into an answer."""
        try:
            authenticate(request, users)
            if is_for_programs(request):
                check_query(request)
            return await handler(request)
        except Exception as error:  # a caller gets an answer to any error, and never a traceback
            return answer_to(error, request)

    return answer


def make_app(
    node: Node,
    *,
    users: Users,
    body_limit: int,
    metrics_public: bool = False,
    trusted_proxies: Networks = (),
) -> web.Application:
    """The application of a node. `body_limit` is in bytes.

    The node takes a caller's address from `X-Forwarded-For` if `trusted_proxies` sent it.
    """
    app = web.Application(client_max_size=body_limit, middlewares=[answering(users)])
    app[USERS] = users
    app[REFUSED_KEYS] = RefusedKeys()
    app[NODE] = node
    app[TRUSTED] = trusted_proxies
    app.on_response_prepare.append(close_if_unread)
    app.add_routes(routes(metrics=Scope.PUBLIC if metrics_public else Scope.READ))
    return app


def routes(*, metrics: Scope = Scope.READ) -> list[web.RouteDef]:
    """Routes that worker and balancer share. A test compares them with the OpenAPI document."""
    return [
        web.post("/task", submit.submit),
        web.get("/functions", functions.list_functions),
        # A name may contain slashes, so no sub-path can follow it: the method chooses the action.
        web.get("/functions/{name:.+}", functions.get_function),
        web.post("/functions/{name:.+}", submit.submit_to_function),
        web.get("/groups", groups.list_groups),
        web.get("/tasks", tasks.list_tasks),
        web.post("/tasks", batch.submit_many),
        web.post("/tasks/cancel", tasks.cancel_tasks),
        web.get("/tasks/{id}", tasks.get_task),
        web.post("/tasks/{id}/cancel", tasks.cancel_task),
        web.post("/tasks/{id}/retry", tasks.retry_task),
        web.post("/tasks/{id}/redeliver", tasks.redeliver_task),
        web.get("/tasks/{id}/events", streams.task_events),
        web.get("/tasks/{id}/logs", streams.task_logs),
        web.get("/tasks/{id}/steps/{step:.+}/logs", streams.step_logs),
        web.get("/tasks/{id}/artifacts", artifacts.list_artifacts),
        web.get("/tasks/{id}/artifacts/{name:[^/]+}", artifacts.get_artifact),
        web.get("/events", events.feed),
        web.get("/users", users_api.list_users),
        web.get("/health", node_api.health),
        web.get("/livez", node_api.livez),
        web.get("/readyz", node_api.readyz),
        web.get("/metrics", with_scope(node_api.metrics, metrics)),
        web.get("/logs", node_api.logs),
        web.post("/on", node_api.switch_on),
        web.post("/off", node_api.switch_off),
        web.post("/drain", node_api.drain),
        web.get("/problems/{name}", problem_page),
    ]
