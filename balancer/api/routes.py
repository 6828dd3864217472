"""The routes that a balancer has beside those of every node."""

from aiohttp import web

from balancer.api import workers


def balancer_routes() -> list[web.RouteDef]:
    """Every route of a balancer alone. A test compares them with the document."""
    return [
        web.get("/workers", workers.list_workers),
        web.get("/workers/{name}", workers.get_worker),
        web.post("/workers/{name}/on", workers.switch_worker_on),
        web.post("/workers/{name}/off", workers.switch_worker_off),
        web.post("/workers/{name}/drain", workers.drain_worker),
        web.get("/workers/{name}/logs", workers.worker_logs),
    ]
