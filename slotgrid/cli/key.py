"""`slotgrid key`: the key of this folder's node, for other programs."""

import click

from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.node import Node


@click.command(short_help="Print the key of the node of this folder.")
@click.pass_obj
def key(node: Node, /) -> None:
    """Print the key that the other commands show the node: AUTH_KEY of the environment or of .env.

    For other programs: export KEY=$(slotgrid key)
    """
    found = node.own_key()
    if not found:
        raise Failure(
            "There is no key",
            exit_code=Exit.USAGE,
            detail="AUTH_KEY is set neither in the environment nor in the .env of this folder.",
            advice="Run this in the folder of the node; `make run` makes an .env with a key.",
        )
    click.echo(found)
