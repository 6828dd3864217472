"""Reads `pools.yaml`: its text becomes pools, or a list of faults with lines."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from slotgrid.core.errors import pointer
from slotgrid.core.schema import JsonSchema, Schema
from slotgrid.function import Isolation
from slotgrid.net.proxy_address import ProxyAddress
from slotgrid.runtime.setting_values import ENTRIES_LIMIT, WORD
from slotgrid.steps.yaml_text import Document, YamlFault, parse
from worker.pools.pool import BasicAuth, Pool, PoolProxy
from worker.pools.schema import CONTEXT_OPTIONS, POOL, PROXY, refusal_of_option

ISOLATIONS: tuple[str, ...] = get_args(Isolation)
LATER = {"reset": "not available yet"}
_ONLY_PERSISTENT = ("profile", "setup", "queue_limit")
_WIDTHS = {"viewport", "no_viewport"}


class PoolsFault(Exception):
    """The file cannot be used. `faults` has one line for each fault, without the file's name."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def read_pools(content: bytes) -> dict[str, Pool]:
    """The pools of a file by name, in its order. Raises PoolsFault with every fault at once."""
    try:
        document = parse(content)
    except YamlFault as fault:
        raise PoolsFault((f"line {fault.line}: {fault.message}",)) from fault
    found = document.value
    if not isinstance(found, Mapping) or not found:
        raise PoolsFault(("line 1: expected pools by their names, such as `default: {size: 4}`",))
    faults = list(_faults(found))
    if faults:
        raise PoolsFault(tuple(_with_line(document, at, text) for at, text in faults))
    return {name: _pool(name, given) for name, given in found.items()}


def _with_line(document: Document, at: str, text: str) -> str:
    key = at.lstrip("/").replace("/", ".")
    return f"line {document.line(at)}: {key}: {text}"


Fault = tuple[str, str]
"""The JSON pointer of a part, and its fault in words."""


def _faults(pools: Mapping[Any, Any]) -> Iterator[Fault]:
    if len(pools) > ENTRIES_LIMIT:
        yield "", f"{len(pools)} pools, at most {ENTRIES_LIMIT} are possible"
    for name, given in pools.items():
        at = pointer([name])
        if not isinstance(name, str) or not WORD.fullmatch(name):
            yield at, "a pool's name has letters, digits, dashes, underscores, at most 64"
        elif not isinstance(given, Mapping):
            yield at, "expected the pool's keys, at least `size`"
        else:
            yield from _faults_of(at, given)


def _faults_of(at: str, given: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _unknown(at, given, POOL["properties"])
    yield from _violations(at, given, POOL)
    yield from _isolation_faults(at, given)
    options = given.get("context_options")
    if isinstance(options, Mapping):
        yield from _option_faults(f"{at}/context_options", options)
    auth = given.get("basic_auth")
    if isinstance(auth, Mapping):
        yield from _unknown(
            f"{at}/basic_auth", auth, POOL["properties"]["basic_auth"]["properties"]
        )
    if "proxy" in given:
        yield from _proxy_faults(f"{at}/proxy", given["proxy"])


def _isolation_faults(at: str, given: Mapping[str, Any]) -> Iterator[Fault]:
    isolation = given.get("isolation", "context")
    if isolation in LATER:
        yield f"{at}/isolation", f"`{isolation}` is {LATER[isolation]}; {_one_of(ISOLATIONS)}"
    elif isinstance(isolation, str) and isolation not in ISOLATIONS:
        near = _nearest(isolation, ISOLATIONS)
        yield f"{at}/isolation", f"`{isolation}` is unknown{near}; {_one_of(ISOLATIONS)}"
    if isolation == "context":
        for key in _ONLY_PERSISTENT:
            if key in given:
                yield f"{at}/{key}", "only a pool with `isolation: persistent` has it"


def _option_faults(at: str, options: Mapping[str, Any]) -> Iterator[Fault]:
    allowed = {name for name in options if refusal_of_option(name) is None}
    for name in options.keys() - allowed:
        yield f"{at}{pointer([name])}", f"{refusal_of_option(name)}"
    yield from _unknown(at, {name: options[name] for name in allowed}, CONTEXT_OPTIONS)
    if options.keys() >= _WIDTHS and options["no_viewport"]:
        yield f"{at}/no_viewport", "contradicts `viewport`"


def _proxy_faults(at: str, given: Any) -> Iterator[Fault]:
    if isinstance(given, str):
        given = {"server": given}
    if not isinstance(given, Mapping):
        yield at, "expected the proxy's URL, or an object with `server`"
        return
    yield from _unknown(at, given, PROXY["properties"])
    violations = list(_violations(at, given, PROXY))
    yield from violations
    if violations:
        return
    try:
        proxy = ProxyAddress.parse(given["server"], username=given.get("username", ""))
    except ValueError as error:
        yield at, str(error)
        return
    if "password_secret" in given and (not proxy.username or proxy.password):
        yield f"{at}/password_secret", "needs a `username`, and no password in `server`"


def _violations(at: str, given: Any, schema: JsonSchema) -> Iterator[Fault]:
    for violation in Schema(schema).violations(given):
        yield f"{at}{violation.pointer}", violation.message


def _unknown(at: str, given: Mapping[Any, Any], known: Collection[str]) -> Iterator[Fault]:
    for name in given:
        if name not in known:
            near = _nearest(str(name), known)
            text = f"there is no such key{near}"
            yield f"{at}{pointer([name])}", text if near else f"{text}; {_one_of(sorted(known))}"


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word[:64], known, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else ""


def _one_of(words: Collection[str]) -> str:
    return f"there are {', '.join(words)}"


def _pool(name: str, given: Mapping[str, Any]) -> Pool:
    plain = {
        key: given[key]
        for key in ("size", "isolation", "setup", "queue_limit", "user_agent", "ignore_tls_errors")
        if key in given
    }
    auth, profile = given.get("basic_auth"), given.get("profile")
    return Pool(
        name=name,
        **plain,
        context_options=dict(given.get("context_options", {})),
        profile=None if profile is None else Path(profile).expanduser(),
        proxy=_proxy(given["proxy"]) if "proxy" in given else None,
        basic_auth=None
        if auth is None
        else BasicAuth(
            username=auth["username"], secret=auth["password_secret"], origin=auth.get("origin")
        ),
    )


def _proxy(given: str | Mapping[str, Any]) -> PoolProxy:
    if isinstance(given, str):
        return PoolProxy(server=given)
    return PoolProxy(
        server=given["server"],
        username=given.get("username"),
        secret=given.get("password_secret"),
        bypass=tuple(given.get("bypass", ())),
    )
