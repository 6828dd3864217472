"""The routes that a balancer has besides those of every node."""

from aiohttp import web

from balancer.api import hooks, schedules, workers


def balancer_routes() -> list[web.RouteDef]:
    """Every route that only a balancer has. A test compares them with the OpenAPI document."""
    return [
        web.get("/workers", workers.list_workers),
        web.get("/workers/{name}", workers.get_worker),
        web.post("/workers/{name}/on", workers.switch_worker_on),
        web.post("/workers/{name}/off", workers.switch_worker_off),
        web.post("/workers/{name}/drain", workers.drain_worker),
        web.get("/workers/{name}/logs", workers.worker_logs),
        web.get("/hooks", hooks.list_hooks),
        web.post("/hooks/{name}", hooks.call_hook),
        web.get("/schedules", schedules.list_schedules),
        web.post("/schedules", schedules.create_schedule),
        web.get("/schedules/{name}", schedules.get_schedule),
        web.put("/schedules/{name}", schedules.replace_schedule),
        web.delete("/schedules/{name}", schedules.remove_schedule),
        web.post("/schedules/{name}/run", schedules.run_schedule),
        web.post("/schedules/{name}/on", schedules.switch_schedule_on),
        web.post("/schedules/{name}/off", schedules.switch_schedule_off),
    ]
