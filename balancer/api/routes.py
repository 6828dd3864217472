"""The routes that a balancer has besides those of every node."""

from aiohttp import web

from balancer.api import workers


def balancer_routes() -> list[web.RouteDef]:
    """Every route that only a balancer has. A test compares them with the OpenAPI document."""
    return [
        web.get("/workers", workers.list_workers),
        web.get("/workers/{name}", workers.get_worker),
        web.post("/workers/{name}/on", workers.switch_worker_on),
        web.post("/workers/{name}/off", workers.switch_worker_off),
        web.post("/workers/{name}/drain", workers.drain_worker),
        web.get("/workers/{name}/logs", workers.worker_logs),
    ]
