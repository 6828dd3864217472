"""Makes the parts of the uplink and connects them to the worker's parts."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.slots import Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.records.history import History
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.settings import Settings
from slotgrid.wire.message_parts import System
from worker.attempt import Parts
from worker.registry.tags import Tags
from worker.uplink.balancer_requests import RequestHandlers
from worker.uplink.remote_tasks import RemoteTasks
from worker.uplink.status_messages import StatusMessages
from worker.uplink.uplink import Uplink


def wire_uplink(
    settings: Settings,
    *,
    status: NodeStatus,
    slots: Slots,
    dispatcher: Dispatcher,
    admission: Admission,
    history: History,
    parts: Parts,
    tags: Tags,
    logs: LogRing,
    supervisor: Callable[[], Supervisor],
    system: Callable[[], System],
    health: Callable[[], Mapping[str, Any]],
    drain: Callable[[float | None], None],
) -> Uplink:
    """An uplink that gets every change. Callables stand for parts that are made after it."""
    facts = StatusMessages(
        settings,
        boot=uuid4().hex,
        version=version("slotgrid"),
        status=status,
        slots=slots,
        dispatcher=dispatcher,
        supervisor=supervisor,
        registry=parts.registry,
        services=parts.services,
        tags=tags,
        browsers=parts.browsers,
        system=system,
    )
    tasks = RemoteTasks(
        contract=settings.contract,
        status=status,
        admission=admission,
        dispatcher=dispatcher,
        supervisor=supervisor,
        history=history,
        slots=slots,
        counts=facts.counts,
    )
    answers = RequestHandlers(
        status=status,
        history=history,
        artifacts=parts.artifacts,
        logs=logs,
        health=health,
        drain=drain,
        wake=dispatcher.wake,
    )
    uplink = Uplink(
        key=settings.link_key,
        addresses=settings.balancer_urls,
        facts=facts,
        tasks=tasks,
        answers=answers,
    )
    slots.on_change = uplink.changed
    parts.services.on_change(uplink.changed)
    parts.registry.on_change(uplink.functions_changed)
    return uplink
