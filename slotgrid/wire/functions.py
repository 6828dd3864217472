"""Converts function specs to messages of the link, and back."""

from collections import OrderedDict
from collections.abc import Iterable

from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire.encoding import encode
from slotgrid.wire.message_parts import FunctionInfo, Rate

SPECS_KEPT = 5000


def info_of(spec: FunctionSpec) -> FunctionInfo:
    """The whole spec of a function, except its group and contract."""
    return FunctionInfo(
        name=spec.name,
        description=spec.description,
        kind=spec.kind,
        revision=spec.revision,
        input=spec.input.document,
        output=spec.output.document if spec.output else None,
        modes=spec.modes,
        timeout_s=spec.timeout_s,
        pool=spec.pool,
        isolation=spec.isolation,
        retries=spec.retries,
        requires=spec.requires,
        concurrency=spec.concurrency,
        rate=Rate(count=spec.rate[0], period_s=spec.rate[1]) if spec.rate else None,
    )


class SpecReader:
    """Makes the specs of functions; equal functions share one object, from an LRU cache.

    Compiling a schema takes milliseconds, and a thousand workers may offer the same functions.
    """

    def __init__(self, *, kept: int = SPECS_KEPT) -> None:
        self._kept = kept
        self._specs: OrderedDict[tuple[str, int, bytes], FunctionSpec] = OrderedDict()

    def specs(
        self, infos: Iterable[FunctionInfo], *, group: str, contract: int
    ) -> tuple[FunctionSpec, ...]:
        """The specs of a worker's functions. Raises SchemaFault when a schema is invalid."""
        return tuple(self.spec(info, group=group, contract=contract) for info in infos)

    def spec(self, info: FunctionInfo, *, group: str, contract: int) -> FunctionSpec:
        """The function's spec. Raises SchemaFault when one of its schemas is invalid."""
        key = group, contract, encode(info)
        spec = self._specs.get(key)
        if spec is None:
            spec = self._specs[key] = _spec_of(info, group=group, contract=contract)
            if len(self._specs) > self._kept:
                self._specs.popitem(last=False)
        self._specs.move_to_end(key)
        return spec


def _spec_of(info: FunctionInfo, *, group: str, contract: int) -> FunctionSpec:
    return FunctionSpec(
        name=info.name,
        description=info.description,
        kind=info.kind,
        group=group,
        contract=contract,
        revision=info.revision,
        input=Schema(info.input),
        output=Schema(info.output) if info.output is not None else None,
        modes=info.modes,
        timeout_s=info.timeout_s,
        pool=info.pool,
        isolation=info.isolation,
        retries=info.retries,
        requires=info.requires,
        concurrency=info.concurrency,
        rate=(info.rate.count, info.rate.period_s) if info.rate else None,
    )
