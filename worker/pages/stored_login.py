"""A saved login: the types of what Playwright's `storage_state()` returns, under its own names."""

import json
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from slotgrid.function import Artifact, Context, Meta, Secret


class StoredCookie(TypedDict):
    """A cookie of a saved login. `expires` is in Unix seconds, -1 for the end of the session."""

    name: str
    value: Secret
    domain: str
    path: str
    expires: NotRequired[float]
    httpOnly: NotRequired[bool]
    secure: NotRequired[bool]
    sameSite: NotRequired[Literal["Strict", "Lax", "None"]]
    partitionKey: NotRequired[str]
    _crHasCrossSiteAncestor: NotRequired[bool]


class StoredItem(TypedDict):
    """An item of an origin's local storage."""

    name: str
    value: Secret


class StoredTable(TypedDict):
    """An object store of a database, with its records."""

    name: str
    autoIncrement: NotRequired[bool]
    keyPath: NotRequired[str]
    keyPathArray: NotRequired[list[str]]
    indexes: NotRequired[list[dict[str, Any]]]
    records: NotRequired[Annotated[list[Any], Meta(extra_json_schema={"writeOnly": True})]]


class StoredDatabase(TypedDict):
    """An IndexedDB database of an origin."""

    name: str
    version: float
    stores: list[StoredTable]


class StoredOrigin(TypedDict):
    """What an origin has stored, such as `https://example.org`."""

    origin: Annotated[str, Meta(pattern="^https?://[^/?#@\\s]+$")]
    localStorage: NotRequired[list[StoredItem]]
    indexedDB: NotRequired[list[StoredDatabase]]


class StorageState(TypedDict):
    """A saved login, as Playwright's `storage_state()` returns it; never a path of a file."""

    cookies: NotRequired[list[StoredCookie]]
    origins: NotRequired[list[StoredOrigin]]


async def save_login(context: Context, name: str = "login.json") -> Artifact:
    """Save the login of the task's browser as an artifact: cookies, local storage, IndexedDB.

    A later task gets it as `storage_state` of its block `browser`. Needs an open page. The file is
    as secret as the login.
    """
    state = await context.browser_context.storage_state(indexed_db=True)
    return await context.save(name, json.dumps(state))
