"""Values and control: variables, results, events, other functions."""

import asyncio
from typing import Annotated, Any

from slotgrid.core.event_log import encode_json
from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed, Returned

VariableName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)]


@action
async def set_(action: ActionContext, **values: Any) -> dict[str, Any]:
    """Set variables of the recipe, which templates read as `vars.name`.

    Example:

    ```yaml
    - {action: set, with: {greeting: "Hello {{ input.name }}"}}
    ```
    """
    action.variables.update(values)
    return values


@action
async def return_(
    action: ActionContext,
    value: Annotated[Any, Meta(description="The recipe's result")] = None,
) -> None:
    """End the recipe at once, with this result.

    Example:

    ```yaml
    - {action: return, with: {value: "{{ input.name }}"}}
    ```
    """
    raise Returned(value)


@action
async def sleep(
    action: ActionContext,
    seconds: Annotated[float, Meta(ge=0, le=86400, description="How long")],
) -> None:
    """Wait for a time. Better wait for what the page does: `wait_for_selector` and the like.

    Example:

    ```yaml
    - {action: sleep, with: {seconds: 0.1}}
    ```
    """
    await asyncio.sleep(seconds)


@action
async def emit(
    action: ActionContext,
    text: Annotated[str, Meta(description="What readers see")] = "",
    *,
    kind: Annotated[
        str,
        Meta(pattern="^[a-z][a-z0-9_.-]{0,63}$", description="Kind of the event"),
    ] = "status",
    data: Annotated[Any, Meta(description="Any JSON for programs")] = None,
) -> None:
    """Emit an event, which readers of the stream and of `GET /tasks/{id}/events` get at once.

    Example:

    ```yaml
    - {action: emit, with: {kind: found, text: "3 offers", data: {count: 3}}}
    ```
    """
    try:
        await action.context.emit(kind, text or None, data)
    except ValueError as cause:
        raise ActionFailed(str(cause)) from cause


@action
async def log(
    action: ActionContext,
    line: Annotated[Any, Meta(description="The text; another value is written as JSON")],
) -> None:
    """Write a line to the task's log.

    Example:

    ```yaml
    - {action: log, with: {line: "{{ input.name }} was read"}}
    ```
    """
    await action.context.log(line if isinstance(line, str) else encode_json(line).decode())


@action
async def call(
    action: ActionContext,
    function: Annotated[str, Meta(min_length=1, description="Name of the function or recipe")],
    *,
    input: Annotated[  # noqa: A002  the word of the API
        dict[str, Any], Meta(description="Its input")
    ] = {},  # noqa: B006  never changed
) -> Any:
    """Run a function or another recipe in this slot and browser, and give its result.

    Example:

    ```yaml
    - {action: call, with: {function: hello, input: {name: Ada}}}
    ```
    """
    return await action.call(function, input)


@action
async def fail(
    action: ActionContext,
    message: Annotated[str, Meta(min_length=1, description="Why, for whoever reads the error")],
) -> None:
    """Fail this step with a message; with `when`, a check of what was found.

    Example:

    ```yaml
    - {action: fail, with: {message: "no offer was found"}, continue_on_error: true}
    ```
    """
    raise ActionFailed(message)
