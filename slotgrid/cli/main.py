"""`slotgrid`: the command with its subcommands, and their failures."""

import sys
from io import TextIOWrapper
from typing import Any

import click

from slotgrid.cli.call import call
from slotgrid.cli.events import events
from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.flows import flows
from slotgrid.cli.functions import functions
from slotgrid.cli.health import health
from slotgrid.cli.imports import imports
from slotgrid.cli.key import key
from slotgrid.cli.logs import logs
from slotgrid.cli.node import node_options
from slotgrid.cli.operate import drain, off, on
from slotgrid.cli.processes import balancer, check, up, worker
from slotgrid.cli.schedules import schedules
from slotgrid.cli.tasks import tasks
from slotgrid.cli.users import users
from slotgrid.cli.workers import workers


class Commands(click.Group):
    """The subcommands in the order of first use, and the only place that prints failures."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; end with its exit code."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            failure.show()
            ctx.exit(failure.exit_code)
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names for `--help`, in the order in which they were added."""
        del ctx
        return list(self.commands)


@click.group(
    name="slotgrid", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}
)
@node_options(envvars=True)
@click.version_option(package_name="slotgrid", message="%(prog)s %(version)s")
def cli() -> None:
    """Run browser work on slots.

    A node is found by --url and --key, which may also stand after the command, or by the .env of
    this folder.
    """


for command in (
    *(up, worker, balancer, check, key, call, tasks, functions),
    *(flows, schedules, events, users, workers, health, logs, on, off, drain, imports),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks is escaped, instead of a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="slotgrid")
