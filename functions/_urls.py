"""Addresses as a crawl sees them: one spelling each, and whose they are. Decides, without I/O."""

from urllib.parse import urljoin, urlsplit, urlunsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise(url: str, base: str = "") -> str | None:
    """Return the one spelling of an address, without fragment; None for what is no http address.

    Case of scheme and host, default ports and an empty path make no difference (RFC 3986, 6.2);
    queries are left as they are, since only the site knows what their order means.
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))


def host_of(url: str) -> str:
    """Return host and port, which is how far a crawl goes."""
    return urlsplit(url).netloc
