"""`slotgrid users`: the users of `users.json`, their keys and limits."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from slotgrid.cli.failure import Exit, Failure, settings_failure
from slotgrid.cli.output import echo, print_json, screen, styled
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.settings import SettingsError
from slotgrid.users.edit import editing, read_users, replaced, with_keys_ending
from slotgrid.users.user import (
    GIVABLE,
    KEYS_MOST,
    Rate,
    Scope,
    StoredKey,
    User,
    UsersFault,
    check_name,
    hash_of,
    moment,
    new_key,
    public_view,
)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DONE = ("✓ ", "bold green")
NO_LIMIT = "none"


class _Seconds(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,9})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no duration such as 90m, 12h or 30d", param, ctx)
        return float(int(found[1]) * UNITS_S[found[2]])


class _End(click.ParamType[float | None]):
    name = "duration|time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | None:
        if value is None or isinstance(value, float):
            return value
        if re.fullmatch(r"\d{1,9}[smhd]", value):
            return time.time() + _Seconds().convert(value, param, ctx)
        try:
            return moment(value)
        except ValueError as fault:
            self.fail(
                f"{value!r} is neither a duration such as 30d nor a time: {fault}", param, ctx
            )


class _Rate(click.ParamType[Rate | str]):
    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> Rate | str:
        if value == NO_LIMIT:
            return NO_LIMIT
        if isinstance(value, Rate):
            return value
        try:
            return Rate.parse(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class _Share(click.ParamType[int | str]):
    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == NO_LIMIT:
            return NO_LIMIT
        if isinstance(value, int):
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a number of at least 1 nor {NO_LIMIT}", param, ctx)
        return int(value)


def _file_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file.  [default: USERS_FILE of the environment or .env, or users.json]",
    )(command)


def _limits(command: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option(
            "--concurrency", type=_Share(), help="Tasks that run at once on a node, or none."
        ),
        click.option("--rate", type=_Rate(), help="Requests, such as 100/m (s, m, h, d), or none."),
        click.option(
            "--scope",
            "scopes",
            multiple=True,
            type=click.Choice([str(scope) for scope in GIVABLE]),
            help="What the user may do; several times for several.",
        ),
    ):
        command = decorate(command)
    return command


@click.group(short_help="List, add, change, remove users; rotate their keys.")
def users() -> None:
    """List, add, change and remove the users of `users.json`, and rotate their keys.

    Run it on the machine of the node, in its folder. Running nodes read the file again.
    """


@users.command("list", short_help="List the users.")
@click.option("--json", "plain", is_flag=True, help="Print JSON.")
@_file_option
def list_users(*, file: Path | None, plain: bool) -> None:
    """List the users with their scopes, keys and limits; times are UTC."""
    path = _path(file)
    with _told(path):
        found = read_users(path)
    if plain:
        print_json([_shown(user) for user in found], plain=True)
        return
    if not found:
        echo(screen(), f"{path} has no users. `slotgrid users add NAME` adds one.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Name", "Scopes", "Keys", "Rate", "At once"):
        table.add_column(title)
    for user in found:
        shown = _shown(user)
        table.add_row(
            styled((user.name, "bold")),
            styled(" ".join(shown["scopes"])),
            styled("\n".join(map(_of_key, shown["keys"])) or "none"),
            styled(shown["rate"] or ""),
            styled("" if user.concurrency is None else str(user.concurrency)),
        )
    screen().print(table)


@users.command(short_help="Add a user; prints the key, once.")
@click.argument("name")
@_limits
@click.option("--expires", type=_End(), help="When the key ends: 30d, or 2030-01-31T08:00:00Z.")
@_file_option
def add(
    *,
    name: str,
    scopes: tuple[str, ...],
    rate: Rate | str | None,
    concurrency: int | str | None,
    expires: float | None,
    file: Path | None,
) -> None:
    """Add a user, and print the key, which is stored nowhere.

    Without --scope the user may read and submit.
    """
    path, key = _path(file), new_key()
    with _told(path):
        try:
            check_name(name)
        except ValueError as fault:
            raise _usage(f"{name!r} is no name of a user", str(fault)) from fault
        with editing(path) as known:
            if any(user.name == name for user in known):
                raise _usage(
                    f"There is a user {name} already",
                    advice=f"`slotgrid users rotate {name}` gives another key, `slotgrid users "
                    f"change {name}` changes the rest.",
                )
            given = frozenset(map(Scope, scopes)) or frozenset({Scope.READ, Scope.SUBMIT})
            user = User(name, given, (StoredKey(hash_of(key), _whole(expires)),))
            known.append(_limited(user, rate, concurrency))
    _print_key(f"added {name} to {path}", key)


@users.command(short_help="Change the scopes and limits of a user.")
@click.argument("name")
@_limits
@_file_option
def change(
    *,
    name: str,
    scopes: tuple[str, ...],
    rate: Rate | str | None,
    concurrency: int | str | None,
    file: Path | None,
) -> None:
    """Change what is given; `none` removes a limit. The keys stay, open streams end."""
    path = _path(file)
    with _changing(path, name) as (known, user):
        changed = user if not scopes else replace(user, scopes=frozenset(map(Scope, scopes)))
        known[:] = replaced(known, _limited(changed, rate, concurrency))
    echo(screen(), DONE, f"changed {name} in {path}")


@users.command(short_help="Give a user another key; the old ones end.")
@click.argument("name")
@click.option(
    "--grace",
    type=_Seconds(),
    default="0s",
    show_default=True,
    help="How long old keys go on: 24h.",
)
@click.option("--expires", type=_End(), help="When the new key ends: 30d, or 2030-01-31T08:00:00Z.")
@_file_option
def rotate(*, name: str, grace: float, expires: float | None, file: Path | None) -> None:
    """Print another key of the user. The old keys end now, or after --grace."""
    path, key, now = _path(file), new_key(), time.time()
    with _changing(path, name) as (known, user):
        ending = with_keys_ending(user, float(round(now + grace)), now)
        old = ending.keys if grace else ()
        if len(old) >= KEYS_MOST:
            raise _usage(f"{name} has {len(old)} keys", "Rotate without --grace to end them.")
        known[:] = replaced(
            known, replace(user, keys=(*old, StoredKey(hash_of(key), _whole(expires))))
        )
    _print_key(f"rotated the key of {name} in {path}", key)


@users.command(short_help="Remove users.")
@click.argument("names", nargs=-1, required=True)
@_file_option
def remove(*, names: tuple[str, ...], file: Path | None) -> None:
    """Remove users: their keys end, their schedules and hooks stop. Their tasks go on."""
    path = _path(file)
    for name in names:
        with _changing(path, name) as (known, user):
            known.remove(user)
        echo(screen(), DONE, f"removed {name} from {path}")


@contextmanager
def _changing(path: Path, name: str) -> Iterator[tuple[list[User], User]]:
    with _told(path), editing(path) as known:
        found = next((user for user in known if user.name == name), None)
        if found is None:
            raise _usage(
                f"There is no user {name}",
                f"{path} has {', '.join(u.name for u in known) or 'none'}.",
            )
        yield known, found


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except UsersFault as fault:
        raise _usage(f"{path} is not valid", str(fault)) from fault
    except OSError as error:
        raise _usage(f"{path} cannot be used", error.strerror or str(error)) from error


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    try:
        return load_settings().users_file
    except SettingsError as fault:
        raise settings_failure(fault) from fault


def _limited(user: User, rate: Rate | str | None, concurrency: int | str | None) -> User:
    if rate is not None:
        user = replace(user, rate=rate if isinstance(rate, Rate) else None)
    if concurrency is not None:
        user = replace(user, concurrency=concurrency if isinstance(concurrency, int) else None)
    return user


def _shown(user: User) -> dict[str, Any]:
    return public_view(user, time.time())


def _of_key(key: dict[str, Any]) -> str:
    if key["expires_at"] is None:
        return "no end"
    return f"{'ended' if key['expired'] else 'until'} {key['expires_at']}"


def _print_key(what: str, key: str) -> None:
    echo(screen(err=True), DONE, what)
    echo(screen(err=True), ("This is the key; it is shown once and stored nowhere:", "dim"))
    click.echo(key)


def _whole(at: float | None) -> float | None:
    """The time in whole seconds: the file has no more than milliseconds."""
    return None if at is None else float(round(at))


def _usage(title: str, detail: str = "", advice: str = "") -> Failure:
    return Failure(title, exit_code=Exit.USAGE, detail=detail, advice=advice)
