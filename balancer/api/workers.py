"""`/workers` and below: the workers of the fleet, and their switches."""

import time
from typing import Any

import orjson
from aiohttp import web
from aiohttp_apispec import docs

from balancer.api import openapi_parts as d
from balancer.app_keys import FLEET, LINKS
from balancer.fleet.worker import Worker
from balancer.fleet.worker_requests import WorkerGone
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.deadlines import iso
from slotgrid.core.errors import (
    Conflict,
    InvalidSubmission,
    NotFound,
    NoWorker,
    ServiceError,
)
from slotgrid.core.principal import Scope
from slotgrid.core.problem_decoding import from_problem
from slotgrid.core.slots import PoolCount
from slotgrid.intake.api.node import (
    LOG_FILTERS,
    requested_deadline_s,
    requested_level,
    requested_lines,
)
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import json_response
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.openapi_parts import DRAIN, LOGS, NODE_STATUS, PAGING
from slotgrid.intake.query import paging
from slotgrid.records.history import TaskFilter
from slotgrid.wire.messages import Wish

LAST_TASKS = 50


@docs(
    summary="List workers, by name",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(*PAGING, *d.WORKER_FILTERS),
    responses={200: json_answer("A page of workers, and their total", d.WORKER_LIST)},
    problems=(InvalidSubmission,),
)
async def list_workers(request: web.Request) -> web.Response:
    """`GET /workers`."""
    limit, offset = paging(request)
    group, status = request.query.get("group"), request.query.get("status")
    found = sorted(
        (
            worker
            for worker in request.config_dict[FLEET].roster.workers()
            if group in {None, worker.group} and status in {None, str(worker.state)}
        ),
        key=lambda worker: worker.name,
    )
    page = [shown(worker) for worker in found[offset : offset + limit]]
    return json_response({"workers": page, "total": len(found)})


@docs(
    summary="One worker, with its last tasks",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(d.WORKER_NAME,),
    responses={200: json_answer("The worker", d.WORKER)},
    problems=(NotFound,),
)
async def get_worker(request: web.Request) -> web.Response:
    """`GET /workers/{name}`."""
    worker = _worker(request)
    tasks, _ = await request.config_dict[NODE].tasks.list(
        request[PRINCIPAL], TaskFilter(worker=worker.name), limit=LAST_TASKS, offset=0
    )
    functions = [
        {"name": spec.name, "description": spec.description, "revision": spec.revision}
        for spec in sorted(worker.functions, key=lambda spec: spec.name)
    ]
    return json_response({"worker": shown(worker) | {"functions": functions, "tasks": tasks}})


@docs(
    summary="End maintenance of a worker",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(d.WORKER_NAME,),
    responses={200: json_answer("The worker accepts tasks", NODE_STATUS)},
    problems=(NotFound, NoWorker, Conflict),
)
async def switch_worker_on(request: web.Request) -> web.Response:
    """`POST /workers/{name}/on`."""
    return await _switch(request, "on")


@docs(
    summary="Begin maintenance of a worker: it refuses new tasks and finishes the ones it has",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(d.WORKER_NAME,),
    responses={200: json_answer("The worker refuses new tasks", NODE_STATUS)},
    problems=(NotFound, NoWorker, Conflict),
)
async def switch_worker_off(request: web.Request) -> web.Response:
    """`POST /workers/{name}/off`."""
    return await _switch(request, "off")


@docs(
    summary="Drain a worker: it finishes its tasks within a deadline, then exits",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(d.WORKER_NAME,),
    body=DRAIN,
    body_required=False,
    responses={200: json_answer("The worker drains", NODE_STATUS)},
    problems=(NotFound, NoWorker, InvalidSubmission),
)
async def drain_worker(request: web.Request) -> web.Response:
    """`POST /workers/{name}/drain {deadline_s?}`."""
    return await _switch(request, "drain", deadline_s=await requested_deadline_s(request))


@docs(
    summary="The last log lines of the worker",
    tags=["workers"],
    scope=Scope.OPERATE,
    parameters=(d.WORKER_NAME, *LOG_FILTERS),
    responses={200: json_answer("The lines, oldest first", LOGS)},
    problems=(NotFound, NoWorker, InvalidSubmission),
)
async def worker_logs(request: web.Request) -> web.Response:
    """`GET /workers/{name}/logs`."""
    level, limit = requested_level(request), requested_lines(request)
    return web.Response(
        body=await _ask(request, "logs", level=str(level), limit=limit),
        content_type="application/json",
    )


def shown(worker: Worker) -> dict[str, Any]:
    """A worker as `GET /workers` shows it."""
    report, now = worker.report, time.monotonic()
    lost = worker.state is WorkerState.LOST
    return {
        "name": worker.name,
        "status": worker.state,
        "detail": _why(worker, now),
        "group": worker.group,
        "contract": worker.contract,
        "version": worker.version,
        "versions": worker.versions,
        "address": worker.address,
        "weight": worker.weight,
        "labels": dict(sorted(worker.labels)),
        "slots": {
            "used": report.used,
            "available": sum(worker.room(pool, now) for pool in worker.pools),
            "limit": sum(worker.pools.values()),
            "queue": report.queue,
            "held": report.held,
        },
        "pools": {pool: _pool(worker, pool) for pool in worker.pools},
        "sent": worker.flights,
        "tags": worker.tags,
        "services": dict(report.services),
        "functions_count": len(worker.functions),
        "browsers": report.browsers,
        "system": {
            "cpu_percent": report.system.cpu_percent,
            "memory_percent": report.system.memory_percent,
            "memory_bytes": report.system.memory_bytes,
            "loop_lag_ms": round(report.system.loop_lag_s * 1000, 1),
        },
        "report_age_s": round(now - worker.reported_at, 3),
        "link_age_s": None if lost else round(now - worker.joined_at, 1),
        "lost_at": iso(time.time() - (now - worker.left_at)) if worker.left_at else None,
    }


def _pool(worker: Worker, pool: str) -> dict[str, Any]:
    """The counts of a pool by the last report, and the free slots of a persistent one."""
    size, free = worker.pools[pool], worker.free.get(pool, 0)
    counts = PoolCount(size, free, size - free, worker.isolation.get(pool)).to_json()
    if pool in worker.persistent:
        counts["free_slots"] = sorted(worker.free_slots[pool])
    return counts


def _why(worker: Worker, now: float) -> str | None:
    """The reason of the state, in words."""
    match worker.state:
        case WorkerState.EJECTED:
            left_s = worker.ejection.remaining_s(now)
            return f"it failed repeatedly; a probe task is due in {left_s:.0f} s"
        case WorkerState.MISMATCH:
            return worker.objection
        case WorkerState.REMOVED:
            return "it is no longer listed; it finishes its tasks"
        case WorkerState.LOST:
            return "its link is down"
        case _:
            return worker.report.held


def _worker(request: web.Request) -> Worker:
    name = request.match_info["name"]
    worker = request.config_dict[FLEET].roster.worker(name)
    if worker is None:
        raise NotFound(f"there is no worker {name!r}")
    return worker


async def _switch(request: web.Request, what: Wish, **terms: object) -> web.Response:
    body = await _ask(request, what, **terms)
    audit(request, f"worker.{what}", worker=request.match_info["name"])
    return web.Response(body=body, content_type="application/json")


async def _ask(request: web.Request, what: Wish, **terms: object) -> bytes:
    """The worker's answer in JSON. Raises its problem, or NoWorker if it is unreachable."""
    worker = _worker(request)
    session = request.config_dict[LINKS].session(worker.name)
    if session is None:
        raise _away(worker, "its link is down")
    try:
        with session.ask(what, **terms) as asked:
            reply = await asked.reply()
    except WorkerGone as gone:
        raise _away(worker, str(gone)) from gone
    body = bytes(reply.body)
    if reply.status >= 400:
        raise from_problem(orjson.loads(body))
    return body


def _away(worker: Worker, why: str) -> ServiceError:
    return NoWorker(f'the worker "{worker.name}" is not there: {why}', reason="lost")
