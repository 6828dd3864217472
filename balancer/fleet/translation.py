"""Translates wire messages into the fleet's types."""

from collections.abc import Iterable, Mapping

from balancer.fleet import states
from slotgrid.core.node import NodeState
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire import messages as m
from slotgrid.wire.functions import SpecReader
from slotgrid.wire.parts import FunctionInfo


def report_of(report: m.Report) -> states.Report:
    """A worker's report."""
    system = report.system
    return states.Report(
        counts=states.Counts(report.seq, report.free),
        status=NodeState(report.status),
        held=report.held,
        used=report.used,
        queue=report.queue,
        running=report.running,
        services=report.services,
        cpu_percent=system.cpu_percent,
        memory_percent=system.memory_percent,
        memory_bytes=system.memory_bytes,
        loop_lag_s=system.loop_lag_s,
        browsers=report.browsers,
    )


def counts_of(message: m.Started | m.Done | m.Failed) -> states.Counts:
    """The free slots in a message about a task."""
    return states.Counts(message.seq, message.free)


def hello_of(hello: m.Hello, specs: SpecReader) -> states.Hello:
    """A worker's description of itself. Raises SchemaFault."""
    return states.Hello(
        name=hello.name,
        boot=hello.boot,
        group=hello.group,
        contract=hello.contract,
        pools=hello.pools,
        functions=functions_of(hello.functions, specs, group=hello.group, contract=hello.contract),
        report=report_of(hello.report),
        version=hello.version,
        labels=tuple(hello.labels.items()),
        tags=hello.tags,
        versions=versions_of(hello.versions),
    )


def functions_of(
    infos: Iterable[FunctionInfo], specs: SpecReader, *, group: str, contract: int
) -> tuple[FunctionSpec, ...]:
    """A worker's functions. Raises SchemaFault."""
    return tuple(specs.spec(info, group=group, contract=contract) for info in infos)


def versions_of(versions: Mapping[str, str | None]) -> dict[str, str]:
    """The known versions."""
    return {name: text for name, text in versions.items() if text is not None}
