"""Headers of files that tasks or other programs made: shown by a browser, they can do no harm."""

import re
from urllib.parse import quote

SHOWN_TYPES = frozenset(
    {
        *("application/json", "application/pdf", "application/x-ndjson"),
        *("text/csv", "text/markdown", "text/plain", "text/tab-separated-values"),
    }
)
"""Types that a browser shows in place; others, such as HTML, SVG and XML, are downloads."""
SHOWN_KINDS = frozenset({"audio", "image", "video"})


def file_headers(name: str, kind: str) -> dict[str, str]:
    """The headers of a file: its name, and the limits that keep a browser from running it.

    Text is UTF-8, as all that tasks write is: without a charset browsers read another encoding.
    """
    shown = kind in SHOWN_TYPES or (
        kind.partition("/")[0] in SHOWN_KINDS and not kind.endswith("+xml")
    )
    return {
        "Content-Type": f"{kind}; charset=utf-8" if shown and kind.startswith("text/") else kind,
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; {_filename(name)}",
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
    }


def _filename(name: str) -> str:
    """The parameters of `Content-Disposition` (RFC 6266): the name, and a form in ASCII before it.

    A `%` is no character of that form, since some callers decode it.
    """
    fallback = re.sub(r'[^ -~]|["%\\]', "_", name)
    if fallback == name:
        return f'filename="{name}"'
    return f"filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='')}"
