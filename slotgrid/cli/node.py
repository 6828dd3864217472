"""Which node a command speaks to: `--url` and `--key`, before or after the command's name."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from slotgrid.cli.failure import Exit, Failure, failure_of
from slotgrid.client import Client, ClientError
from slotgrid.runtime.settings import SettingsError, load_settings

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound


@dataclass(frozen=True)
class Node:
    """The node to speak to; what is None comes from the settings of this folder."""

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

    def _address(self) -> tuple[str, str]:
        """URL and key. Raises Failure when the settings are needed and cannot be used."""
        if self.url is not None and self.key is not None:
            return self.url, self.key
        try:
            settings = load_settings()
        except (SettingsError, OSError) as error:
            problems = error.problems if isinstance(error, SettingsError) else (str(error),)
            raise Failure(
                "The settings of this folder cannot be used",
                exit_code=Exit.USAGE,
                faults=[("", problem) for problem in problems],
                advice="Mend .env, or name the node with --url and --key.",
            ) from error
        host = EVERY_ADDRESS.get(settings.host, settings.host)
        here = (
            f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
        )
        return self.url or here, settings.auth_key if self.key is None else self.key


def node_options(*, envvars: bool = False) -> Callable[[Command], Command]:
    """The options that name a node; the one nearest to the end of the line counts.

    The environment is read once, by the group: a command would put it above the group's options.
    """
    url = click.option(
        "--url",
        envvar="SLOTGRID_URL" if envvars else None,
        show_envvar=envvars,
        metavar="URL",
        expose_value=False,
        callback=_keep,
        help="Address of the node.  [default: HOST and PORT of .env, http://127.0.0.1:3000]",
    )
    key = click.option(
        "--key",
        envvar="AUTH_KEY" if envvars else None,
        show_envvar=envvars,
        metavar="KEY",
        expose_value=False,
        callback=_keep,
        help="Key to show; other users of this machine can see it here.  [default: that of .env]",
    )
    return lambda command: url(key(command))


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    node = context.find_object(Node) or Node()
    context.obj = node if value is None else replace(node, **{str(option.name): value})


async def _with(client: Client, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    async with client:
        return await work(client)
