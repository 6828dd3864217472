"""The content type of a file, by its name."""

import mimetypes

COMPRESSED_TYPES = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/x-brotli",
}


def content_type_of(name: str) -> str:
    """The content type by the name; that of `page.html.gz` is gzip, as its bytes are."""
    kind, encoding = mimetypes.guess_type(name)
    if encoding is not None:
        kind = COMPRESSED_TYPES.get(encoding)
    return kind or "application/octet-stream"
