"""The `browser` field of functions that open a page: what the caller wants of the browser."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from slotgrid.function import Meta, Secret, UrlWithPassword
from slotgrid.url_credentials import split_credentials
from worker.pages.inputs import Viewport
from worker.pages.stored_login import StorageState

MAX_COOKIE_CHARS = 4096
"""Of name and value together; browsers drop longer cookies."""

# What Fetch forbids scripts to set, for the same reason, and what would contradict another option.
_BROWSERS_OWN = frozenset(
    {
        *("accept-charset", "accept-encoding", "access-control-request-headers"),
        *("access-control-request-method", "connection", "content-length", "content-type"),
        *("date", "expect", "host", "keep-alive", "origin", "set-cookie", "te", "trailer"),
        *("transfer-encoding", "upgrade", "via"),
    }
)
_INSTEAD = {
    "cookie": "`cookies`",
    "user-agent": "`user_agent`, which scripts of the page see too",
    "proxy-authorization": "`proxy`",
}

HeaderName = Annotated[str, Meta(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$", max_length=200)]
HeaderValue = Annotated[
    str,
    Meta(
        pattern=r"^[\t\x20-\x7e\x80-\xff]*$",
        max_length=8192,
        extra_json_schema={"writeOnly": True},
    ),
]
Origin = Annotated[
    str,
    Meta(pattern=r"^https?://[^/?#@\\\s]+/?$", max_length=300, examples=["https://example.org"]),
]
CookieName = Annotated[str, Meta(pattern=r"^[^\x00-\x20;=\x7f]+$", max_length=1000)]
CookieValue = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f;\x7f]*$", extra_json_schema={"writeOnly": True})
]


# Structs, as a dataclass would ignore a misspelt name.
class Cookie(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cookie that the browser has from the start.

    It belongs to the host of `url`, by default that of the task's address; or to `domain`, which
    begins with a dot to include subdomains. `expires` is in Unix seconds; without it, the cookie
    lasts as long as the task. `secure` is true by default for an https address.
    """

    name: CookieName
    value: CookieValue
    url: Annotated[str, Meta(pattern="^https?://", max_length=8192)] | None = None
    domain: Annotated[str, Meta(pattern=r"^\.?[^/?#@:\\\s]+$", max_length=255)] | None = None
    path: Annotated[str, Meta(pattern=r"^/[^\x00-\x1f;\x7f]*$", max_length=1000)] = "/"
    expires: Annotated[float, Meta(gt=0, le=253402300799)] | None = None
    http_only: bool = False
    secure: bool | None = None
    same_site: Literal["strict", "lax", "none"] | None = None

    def __post_init__(self) -> None:
        if self.url is not None and self.domain is not None:
            raise ValueError("a cookie has `url` or `domain`, not both")
        if len(self.name) + len(self.value) > MAX_COOKIE_CHARS:
            raise ValueError(f"`name` and `value` have at most {MAX_COOKIE_CHARS} characters")
        if self.name.lower().startswith("__host-") and (self.domain or self.path != "/"):
            raise ValueError("a cookie `__Host-...` has no `domain`, and the path `/`")


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User name and password for HTTP authentication.

    Only `origin` gets them, by default that of the task's address.
    """

    username: Annotated[str, Meta(max_length=1000)]
    password: Secret
    origin: Origin | None = None


class Proxy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proxy of all requests, except those to the hosts of `bypass`."""

    server: Annotated[
        UrlWithPassword,
        Meta(
            pattern=r"^(https?|socks5)://",
            max_length=2000,
            description="http, https or socks5; `user:password@` is allowed",
            examples=["http://proxy.example.org:3128"],
        ),
    ]
    username: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    password: Secret | None = None
    bypass: Annotated[
        list[Annotated[str, Meta(pattern=r"^[^\s,;]+$", max_length=255)]],
        Meta(
            max_length=100,
            description="Hosts, domains with a leading dot, or networks",
            examples=[["static.example.org", ".example.net"]],
        ),
    ] = []

    def __post_init__(self) -> None:
        bare, in_server = split_credentials(self.server)
        if not _is_endpoint(bare):
            raise ValueError("`server` is not a URL with a host, a port, and nothing behind it")
        if in_server and (self.username is not None or self.password is not None):
            raise ValueError("user name and password are in `server` already")
        if self.password is not None and self.username is None:
            raise ValueError("`password` needs a `username`")
        if bare.startswith("socks5:") and (in_server or self.username is not None):
            raise ValueError(
                "`username`: Chromium cannot authenticate at a socks5 proxy; use an http or https "
                "proxy, or allow this machine's address at the proxy"
            )


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        behind = parts.path.strip("/") or parts.query or parts.fragment
        return bool(parts.hostname) and parts.port != 0 and not behind
    except ValueError:
        return False


class Geolocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the browser says it is. Pages need not ask for the permission."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0)] = 0


class BrowserOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the browser presents itself, and what it has from the start.

    See docs/browser-options.md. Values of headers and cookies, passwords, and the values of a saved
    login are secret: shown nowhere.
    """

    user_agent: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+$", max_length=1000)] | None = None
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(
            max_length=100,
            description="Headers of each request to the site: to the address's own origin",
            examples=[{"Authorization": "Bearer abc123"}],
        ),
    ] = {}
    header_origins: Annotated[
        list[Origin],
        Meta(max_length=20, description="Further origins that get `headers`, such as an API's"),
    ] = []
    cookies: Annotated[list[Cookie], Meta(max_length=300)] = []
    credentials: Credentials | None = None
    proxy: Proxy | None = None
    locale: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
                max_length=50,
                description="Language tag: of the page's scripts and of Accept-Language",
                examples=["de-DE"],
            ),
        ]
        | None
    ) = None
    timezone: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=100,
                description="Name in the IANA database",
                examples=["Europe/Berlin"],
            ),
        ]
        | None
    ) = None
    viewport: Viewport | None = None
    device_scale_factor: (
        Annotated[float, Meta(ge=0.25, le=8, description="Device pixels per CSS pixel")] | None
    ) = None
    mobile: Annotated[bool, Meta(description="A phone: touch, and the page's own viewport")] = False
    color_scheme: Literal["light", "dark"] | None = None
    geolocation: Geolocation | None = None
    javascript: Annotated[bool, Meta(description="Whether the page's scripts run")] = True
    ignore_tls_errors: Annotated[
        bool, Meta(description="Open pages whose certificate is not valid")
    ] = False
    storage_state: StorageState | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.headers:
            plain = name.lower()
            if plain in _INSTEAD:
                raise ValueError(f"`headers`: use {_INSTEAD[plain]} instead of {name!r}")
            if plain in _BROWSERS_OWN or plain.startswith(("sec-", "proxy-")):
                raise ValueError(f"`headers`: the browser itself sets {name!r}")
            if plain in seen:
                raise ValueError(f"`headers`: {name!r} is given twice")
            seen.add(plain)


Browser = Annotated[
    BrowserOptions | None,
    Meta(
        description="How the browser presents itself, and what it has from the start: headers, "
        "cookies, logins, proxy, language, window"
    ),
]
"""The field of a function."""
