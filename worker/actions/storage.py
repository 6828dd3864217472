"""What sites keep in the browser: read, set and removed; and saved as a login."""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import orjson
from playwright.async_api import BrowserContext, Error

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import short
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.actions.stored_items import StorageKind, origin_named, storage_of
from worker.pages.origins import origin_of

EVERY = "*"
CLEAR_S = 10.0
LOGIN_S = 30.0

Kept = Literal["local", "session", "indexed_db", "cache", "service_workers", "cookies"]
_TYPES: dict[Kept, str] = {
    "local": "local_storage",
    "indexed_db": "indexeddb",
    "cache": "cache_storage",
    "service_workers": "service_workers",
    "cookies": "cookies",
}
"""What DevTools clear, by our names; session storage belongs to tabs."""

Kind = Annotated[StorageKind, Meta(description="Local storage, or the session storage of the tab")]
Origin = Annotated[
    Annotated[str, Meta(max_length=2000)] | None,
    Meta(
        description="Whose, such as `https://example.org`; that of the current page if left out",
        examples=["https://example.org"],
    ),
]
Keys = Annotated[list[str] | None, Meta(description="Only these keys")]


@dataclass(frozen=True)
class StoredItems:
    """The items of a storage."""

    origin: str
    items: dict[str, str]


@dataclass(frozen=True)
class SavedLogin(SavedFile):
    """A saved login, as Playwright's `storage_state` reads it."""

    cookies: Annotated[int, Meta(description="Cookies in it")] = 0
    origins: Annotated[list[str], Meta(description="Origins whose storage is in it")] = field(
        default_factory=list
    )


@action
async def get_storage(
    action: ActionContext,
    *,
    kind: Kind = "local",
    origin: Origin = None,
    keys: Keys = None,
) -> StoredItems:
    """Read the local or the session storage of an origin.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/storage.html"}}
    - {action: get_storage}
    ```

    Limits:

    - Session storage is that of the current page alone.
    """
    async with storage_of(action, kind, origin) as storage:
        return StoredItems(storage.origin, await storage.read(keys))


@action
async def set_storage(
    action: ActionContext,
    items: Annotated[
        dict[str, Any],
        Meta(
            min_length=1,
            max_length=10_000,
            description="Values by key: texts as they are, others as JSON; null removes the key",
        ),
    ],
    *,
    kind: Kind = "local",
    origin: Origin = None,
) -> int:
    """Set items of a storage, and give how many it has then. The page is not told: reload it.

    Example:

    ```yaml
    - action: set_storage
      with: {items: {theme: dark, seen: [1, 2]}, origin: "{{ input.site }}"}
    - {action: get_storage, with: {origin: "{{ input.site }}"}}
    ```

    Limits:

    - An origin can store about 5 MB.
    - Session storage is that of the current page alone.
    """
    texts = {
        key: value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
        for key, value in items.items()
    }
    async with storage_of(action, kind, origin) as storage:
        return await storage.write(texts)


@action
async def clear_storage(
    action: ActionContext,
    *,
    origin: Annotated[
        Annotated[str, Meta(max_length=2000)] | None,
        Meta(description="Whose; `*` for all; that of the current page if left out"),
    ] = None,
    kinds: Annotated[
        list[Kept], Meta(min_length=1, max_length=6, description="What is removed")
    ] = ["local", "session", "indexed_db", "cache", "service_workers"],  # noqa: B006  never changed
) -> list[str]:
    """Remove what an origin has stored, or all origins, and list the kinds that were removed.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/storage.html"}}
    - {action: clear_storage}
    - {action: get_storage}
    ```

    Limits:

    - A page that is open may store anew.
    - With `*`, `local` removes session storage too, and the result lists it.
    """
    page = await action.page()
    wanted = origin_of(page.url) if origin is None else origin
    if wanted is None:
        raise ActionFailed(
            f"the tab shows {page.url}, which has no storage: give `origin`, or `*` for all"
        )
    if wanted != EVERY:
        wanted = origin_named(wanted)
    removed: list[str] = [*kinds]
    types = [_TYPES[one] for one in kinds if one in _TYPES]
    if "local" in kinds and "session" not in kinds:
        # Chromium removes the two together; only where the origin is one, scripts can choose.
        if wanted == EVERY:
            removed.append("session")
        else:
            types.remove(_TYPES["local"])
            async with storage_of(action, "local", wanted) as storage:
                await storage.clear()
    if types:
        cdp = await action.session.cdp(page)
        clearing = cdp.send(
            "Storage.clearDataForOrigin", {"origin": wanted, "storageTypes": ",".join(types)}
        )
        await action.within(CLEAR_S, clearing, what="clearing the storage")
    if "session" in kinds:
        await action.within(
            CLEAR_S, _clear_sessions(page.context, wanted), what="clearing the session storage"
        )
    return removed


async def _clear_sessions(context: BrowserContext, origin: str) -> None:
    for page in context.pages:
        for frame in page.frames:
            if origin in {EVERY, origin_of(frame.url)}:
                with suppress(Error):  # a frame that is gone, or has no storage
                    await frame.evaluate("sessionStorage.clear()")


@action
async def save_login(
    action: ActionContext,
    *,
    indexed_db: Annotated[
        bool, Meta(description="With IndexedDB, where some sites keep their tokens")
    ] = True,
    path: FileName = "login.json",
) -> SavedLogin:
    """Save cookies and local storage of all origins as an artifact: a login for later tasks.

    The file is what `browser: {storage_state: ...}` takes.

    Example:

    ```yaml
    - action: http_request
      with:
        url: "{{ input.site }}/login"
        method: POST
        form: {user: reader, password: open sesame}
        cookies: true
    - {action: save_login, with: {path: reader.json}}
    ```

    Limits:

    - Who has the file is logged in: it is not redacted. Session storage is not in it.
    """
    context = (await action.page()).context
    try:
        reading = context.storage_state(indexed_db=indexed_db)
        state = await action.within(LOGIN_S, reading, what="the cookies and storage")
    except Error as cause:
        raise ActionFailed(f"the login was not saved: {short(cause)}") from cause
    saved = await save_file(action, path, "login.json", orjson.dumps(state))
    origins = [one["origin"] for one in state.get("origins", [])]
    return SavedLogin(**asdict(saved), cookies=len(state.get("cookies", [])), origins=origins)
