"""Origins of addresses, as browsers write them: scheme, host and port."""

from urllib.parse import urlsplit

from yarl import URL

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """The origin of an http address, such as `https://example.org`; None if it has none."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        if parts.scheme not in _DEFAULT_PORTS or not host:
            return None
        host = URL.build(scheme=parts.scheme, host=host).raw_host or host  # IDNA as browsers do
    except ValueError:
        return None
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def site_origins(url: str) -> list[str]:
    """The origin of an address, and for http on its default port the same host by https.

    Most sites lead from the one to the other; what is given for the one is meant for both.
    """
    origin = origin_of(url)
    if origin is None:
        return []
    secure = origin_of(origin.replace("http://", "https://", 1))
    both = origin.startswith("http://") and not origin.rpartition(":")[2].isdigit()
    return [origin, secure] if both and secure is not None else [origin]
