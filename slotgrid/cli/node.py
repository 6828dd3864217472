"""The node that a command calls: `--url` and `--key`, before or after the command's name."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from slotgrid.cli.failure import Exit, Failure, failure_of, settings_failure
from slotgrid.cli.ports import is_listening
from slotgrid.client import Client, ClientError
from slotgrid.runtime.env_file import environment, load_settings
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import BALANCER_DEFAULTS, Settings, SettingsError

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

BALANCER_PORT = int(BALANCER_DEFAULTS["PORT"])
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound


@dataclass(frozen=True)
class Node:
    """The node to call; None means the value from the settings of this folder."""

    url: str | None = None
    key: str | None = None

    def ask(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with a client of this node and return what it returns. Raises Failure."""
        url, key = self._address()
        try:
            client = Client(url, key)
        except ValueError as error:
            raise Failure(
                str(error), exit_code=Exit.USAGE, advice="For example --url http://127.0.0.1:3000."
            ) from error
        try:
            return asyncio.run(_with(client, work))
        except ClientError as error:
            raise failure_of(error, node_url=client.url) from error

    def own_key(self) -> str:
        """The key to show, empty if there is none. Raises Failure for invalid settings."""
        return _settings().auth_key if self.key is None else self.key

    def _address(self) -> tuple[str, str]:
        """URL and key. Raises Failure if the settings are needed and invalid."""
        if self.url is not None and self.key is not None:
            return self.url, self.key
        settings = _settings()
        url = self.url or _address_here(settings)
        return url, settings.auth_key if self.key is None else self.key


def _settings() -> Settings:
    """The settings of this folder. Raises Failure."""
    try:
        # As a balancer: only there is LB_AUTH_KEY read as AUTH_KEY, the key of callers.
        return load_settings(kind=NodeKind.BALANCER)
    except (SettingsError, OSError) as error:
        raise settings_failure(error) from error


def _address_here(settings: Settings) -> str:
    """URL of this folder's node: on PORT if set, else a running balancer, else a worker."""
    host, port = EVERY_ADDRESS.get(settings.host, settings.host), settings.port
    if not environment().get("PORT", "").strip() and is_listening(host, BALANCER_PORT):
        port = BALANCER_PORT
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def node_options(*, envvars: bool = False) -> Callable[[Command], Command]:
    """The options that name a node; the last one on the command line wins.

    Only the group reads the environment: read by a command, it would override the group's options.
    """
    url = click.option(
        "--url",
        envvar="SLOTGRID_URL" if envvars else None,
        show_envvar=envvars,
        metavar="URL",
        expose_value=False,
        callback=_keep,
        help="Address of the node.  [default: HOST and PORT of .env; without PORT the balancer on "
        "4000, or the worker on 3000]",
    )
    key = click.option(
        "--key",
        envvar="AUTH_KEY" if envvars else None,
        show_envvar=envvars,
        metavar="KEY",
        expose_value=False,
        callback=_keep,
        help="Key to send; other users of this machine can see it.  [default: that of .env]",
    )
    return lambda command: url(key(command))


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    node = context.find_object(Node) or Node()
    context.obj = node if value is None else replace(node, **{str(option.name): value})


async def _with(client: Client, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    async with client:
        return await work(client)
