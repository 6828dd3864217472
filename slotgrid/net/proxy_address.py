"""The address of a forward proxy, with its login."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080}
"""The kinds of proxies, and the ports that Chromium uses for them."""
SOCKS_FIELD_BYTES = 255
"""Bytes of a user name or a password in SOCKS5 (RFC 1929)."""


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where a proxy is: `scheme` is one of DEFAULT_PORTS, `host` is without brackets."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(
        cls, url: str, *, username: str = "", password: str = "", default_scheme: str = ""
    ) -> "ProxyAddress":
        """Parse `scheme://[user:password@]host[:port]`; `username` and `password` win.

        `default_scheme` is that of a URL without one; by default such a URL is refused.
        Raises ValueError, whose message does not have the password.
        """
        if default_scheme and "://" not in url:
            url = f"{default_scheme}://{url}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("the address of the proxy has no valid host or port") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"a proxy is http, https or socks5, not {parts.scheme!r}")
        if not host:
            raise ValueError("the proxy has no host")
        username = username or unquote(parts.username or "")
        password = password or unquote(parts.password or "")
        longest = max(len(username.encode()), len(password.encode()))
        if parts.scheme == "socks5" and longest > SOCKS_FIELD_BYTES:
            raise ValueError(
                f"user and password of a socks5 proxy have at most {SOCKS_FIELD_BYTES} bytes"
            )
        return cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], username, password)
