"""HTTP requests without a browser."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import orjson

from slotgrid.function import Meta, OptionRefused
from slotgrid.url_credentials import split_credentials
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.http_client import Answer, Outgoing, send
from worker.actions.http_cookies import ContextCookies
from worker.actions.saved_file import FileName, SavedFile, save_file
from worker.pages.inputs import Url

BODY_MOST = 100 * 1024 * 1024

HeaderMap = Annotated[
    dict[
        Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=200)],
        Annotated[str, Meta(pattern=r"^[^\r\n\x00]*$", max_length=65536)],
    ],
    Meta(max_length=200, description="Headers by name"),
]
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te"})


@dataclass(frozen=True)
class HttpAnswer:
    """The answer to a request. Of `text` and `base64` one has the body."""

    status: int
    url: Annotated[str, Meta(description="The address that answered, after redirects")]
    headers: Annotated[
        dict[str, str], Meta(description="By name in lower case; of several, one a line")
    ]
    text: str | None
    base64: Annotated[str | None, Meta(description="The body, if it is not text")]
    json: Annotated[Any, Meta(description="The body, if it is JSON by its type")]
    size: Annotated[int, Meta(description="Bytes of the body that were read, unpacked")]
    truncated: Annotated[bool, Meta(description="Whether the body is longer")]
    redirects: Annotated[list[str], Meta(description="The addresses that led on to another")]
    file: Annotated[SavedFile | None, Meta(description="The body, if `path` names a file")]


@dataclass(frozen=True)
class _Body:
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@action
async def http_request(
    action: ActionContext,
    url: Annotated[Url, Meta(description="The address")],
    *,
    method: Annotated[
        Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        Meta(description="Method"),
    ] = "GET",
    headers: HeaderMap = {},  # noqa: B006  never changed
    body: Annotated[str | None, Meta(description="The body as text, sent in UTF-8")] = None,
    json: Annotated[Any, Meta(description="The body as JSON")] = None,
    form: Annotated[
        dict[str, str] | None, Meta(description="The body as the fields of a form")
    ] = None,
    body_base64: Annotated[bytes | None, Meta(description="The body as bytes, in base64")] = None,
    timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds for all of it, redirects and body too")
    ] = 30,
    follow_redirects: Annotated[bool, Meta(description="Up to 10 of them")] = True,
    max_body_bytes: Annotated[
        int, Meta(ge=0, le=BODY_MOST, description="Bytes of the answer's body that are read")
    ] = 1024 * 1024,
    cookies: Annotated[
        bool,
        Meta(description="Send the browser's cookies, and keep those of the answers in it"),
    ] = False,
    ignore_tls_errors: Annotated[bool, Meta(description="Accept any certificate")] = False,
    path: FileName = None,
) -> HttpAnswer:
    """Send an HTTP request without a browser; a status such as 404 is an answer, not an error.

    Example:

    ```yaml
    - action: http_request
      with: {url: "{{ input.site }}/catalogue", headers: {Accept: text/html}}
    ```

    Limits:

    - It reaches what pages may reach, through the proxy that they have, and counts towards the
      task's traffic. `TRAFFIC_LIMIT` holds for these requests together, beside those of the pages.
    - A longer body is cut at `max_body_bytes`: `truncated` is then true and `json` is null. With
      `path` it is saved as an artifact instead of being in the result.
    - Credentials are not sent on to another origin.
    """
    sent = _body_of(body, json, form, body_base64)
    if ours := sorted(name for name in headers if name.lower() in OURS):
        raise ActionFailed(f"the header {ours[0]} is set by the request itself: leave it out")
    address, login = split_credentials(url)
    outgoing = Outgoing(
        method, address, {**sent.headers, **_by_lower_name(headers)}, sent.data, login
    )
    kept = None
    if cookies:
        if "cookie" in outgoing.headers:
            raise ActionFailed("give `cookies: true` or a Cookie header, not both")
        kept = ContextCookies((await action.page()).context)
    try:
        proxy = await action.context.network(action.session.proxy(address))
    except OptionRefused as refused:
        raise ActionFailed(f"browser/proxy: {refused}") from refused
    answer = await action.within(
        timeout_s,
        send(
            outgoing,
            proxy=proxy,
            follow=follow_redirects,
            most_bytes=max_body_bytes,
            cookies=kept,
            check_tls=not ignore_tls_errors,
        ),
        what=f"the answer to {method} {address}",
    )
    return await _shown(action, answer, path)


def _body_of(body: str | None, json: Any, form: dict[str, str] | None, raw: bytes | None) -> _Body:
    given = [one is not None for one in (body, json, form, raw)]
    if sum(given) > 1:
        raise ActionFailed("give one of `body`, `json`, `form` and `body_base64`")
    if body is not None:
        return _Body(body.encode("utf-8", "replace"), {"content-type": "text/plain; charset=utf-8"})
    if json is not None:
        return _Body(orjson.dumps(json), {"content-type": "application/json"})
    if form is not None:
        kind = "application/x-www-form-urlencoded"
        return _Body(urlencode(form).encode(), {"content-type": kind})
    if raw is not None:
        return _Body(raw, {"content-type": "application/octet-stream"})
    return _Body()


def _by_lower_name(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _shown(action: ActionContext, answer: Answer, path: str | None) -> HttpAnswer:
    text = encoded = parsed = file = None
    if path is not None:
        if answer.truncated:
            raise ActionFailed(
                f"the body of {answer.url} is longer than {len(answer.body)} bytes: raise "
                f"`max_body_bytes`, to {BODY_MOST} at most"
            )
        file = await save_file(action, path, path, answer.body)
    else:
        text = await asyncio.to_thread(answer.text)
        if text is None:
            encoded = base64.b64encode(answer.body).decode()
        elif answer.is_json and not answer.truncated:
            try:
                parsed = orjson.loads(text)
            except orjson.JSONDecodeError:
                parsed = None
    return HttpAnswer(
        answer.status,
        answer.url,
        answer.headers,
        text,
        encoded,
        parsed,
        len(answer.body),
        answer.truncated,
        answer.redirects,
        file,
    )
