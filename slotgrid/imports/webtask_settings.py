"""The settings of a webtasks bundle: pools, static mounts, secrets."""

import re
from collections.abc import Mapping
from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.steps.yaml_text import Document, YamlFault, parse

_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def pools_file(data: bytes, notes: Notes) -> dict[str, Any]:
    """The pools, as `pools.yaml` has them."""
    document = _read(data, notes)
    pools = _member(document, "pools", dict, notes)
    made: dict[str, Any] = {}
    for name, pool in (pools or {}).items():
        line = document.line(f"/pools/{name}")
        given = pool if isinstance(pool, Mapping) else {}
        size = given.get("size", 1)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            notes.left_out(line, f"the pool `{name}` has no valid `size`: it is 1")
            size = 1
        made[name] = {"size": size}
        if given.get("persistent") is True:
            made[name]["isolation"] = "persistent"
            notes.differs(
                line,
                f"the pool `{name}` begins with new profiles: its logins have to be made again",
            )
        else:
            notes.differs(
                line,
                f"each task of the pool `{name}` has a context of its own: cookies do not stay, "
                "as they do in webtasks; `isolation: persistent` keeps them",
            )
        for key in given:
            if key not in {"size", "persistent", "profile"}:
                notes.left_out(line, f"`{key}` of the pool `{name}` is no key of webtasks")
    if made and "default" not in made:
        made = {"default": {"size": 1}, **made}
    if made:
        total = sum(one["size"] for one in made.values())
        notes.differs(1, f"SLOTS of the worker must be {total}, the sum of the pools")
    return made


def mounts_file(data: bytes, notes: Notes) -> list[dict[str, Any]]:
    """The static mounts, as `mounts.yaml` has them."""
    document = _read(data, notes)
    made: list[dict[str, Any]] = []
    for index, given in enumerate(_member(document, "mounts", list, notes) or []):
        line = document.line(f"/mounts/{index}")
        prefix = given.get("prefix") if isinstance(given, Mapping) else None
        folder = given.get("dir") if isinstance(given, Mapping) else None
        if not isinstance(prefix, str) or not isinstance(folder, str) or not folder:
            notes.left_out(line, "the mount has no `prefix` or no `dir`")
            continue
        flags = {name: given.get(name) is True for name in ("list", "serve", "recursive")}
        prefix = f"/{prefix.strip('/')}"
        made.append({"prefix": prefix, "dir": folder, **flags})
        if "DOWNLOADS" in folder:
            notes.differs(line, f"`{prefix}`: what tasks save and download are their artifacts")
    return made


def secrets_file(
    data: bytes, notes: Notes
) -> tuple[dict[str, str | None], dict[str, dict[str, Any]]]:
    """The default values of the declared secrets by their names, and `secrets.yaml`."""
    document = _read(data, notes)
    defaults: dict[str, str | None] = {}
    made: dict[str, dict[str, Any]] = {}
    for index, given in enumerate(_member(document, "secrets", list, notes) or []):
        line = document.line(f"/secrets/{index}")
        name = given.get("name") if isinstance(given, Mapping) else None
        if not isinstance(name, str) or not _SECRET.fullmatch(name):
            notes.left_out(line, "the secret has no name of letters, digits and _")
            continue
        default = given.get("default")
        defaults[name] = None if default in (None, "") else str(default)
        secret: dict[str, Any] = {}
        if given.get("description"):
            secret["description"] = str(given["description"])
        if given.get("required") is not True or default not in (None, ""):
            secret["required"] = False
        secret["source"] = {"env": name}
        made[name] = secret
        sources = given.get("sources") or ["env", "arg", "prompt"]
        others = [str(one) for one in sources if one != "env"] if isinstance(sources, list) else []
        if others:
            notes.differs(
                line,
                f"`{name}` comes from the environment, not from {' or '.join(others)}; `source` "
                "can also name a file",
            )
        if default not in (None, ""):
            notes.differs(line, f"the default of `{name}` stands in the templates that read it")
    return defaults, made


def _read(data: bytes, notes: Notes) -> Document:
    try:
        return parse(data)
    except YamlFault as fault:
        notes.left_out(fault.line, fault.message)
        return Document({}, {})


def _member(document: Document, key: str, kind: type, notes: Notes) -> Any:
    value = document.value.get(key) if isinstance(document.value, Mapping) else None
    if value is not None and not isinstance(value, kind):
        notes.left_out(document.line(f"/{key}"), f"`{key}` is not as webtasks has it")
        return None
    return value
