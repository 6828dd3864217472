"""A step's output as its task keeps it: large ones become artifacts."""

from typing import Any

from slotgrid.core.event_log import encode_json
from slotgrid.core.task_parts import Step
from worker.context import RunContext

SHOWN_MOST = 64 * 1024
"""Bytes of an output, as JSON, that the step itself shows."""


async def shown_output(context: RunContext, step: Step, output: Any) -> Any:
    """The output for the task's record: itself, or where its artifact is, if it is large."""
    encoded = encode_json(output)
    if len(encoded) <= SHOWN_MOST:
        return output
    if context.has_secrets:  # the record is redacted by itself, a file is not
        encoded = encode_json(context.hide(output))
    artifact = await context.save(f"{step.name}.json", encoded, replace=False)
    return {"artifact": artifact.name, "url": artifact.url, "size": artifact.size}
