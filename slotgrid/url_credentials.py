"""User name and password inside a URL, `https://user:password@host/`: their parts, and their mask.

Read as browsers do (WHATWG URL): the user information ends with the last `@` of the authority, a
`\\` is a `/`, and any number of slashes may follow the scheme.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

SECRET_PART = "x-slotgrid-secret"  # noqa: S105  a keyword, no password
"""A keyword of our JSON Schemas that makes a part of a string secret; its value says which part."""
URL_PASSWORD = "url-password"  # noqa: S105
"""The value of SECRET_PART for the password in a URL."""

_USER_INFORMATION = re.compile(r"([\x00-\x20]*[a-z][a-z0-9+.-]*:[/\\]*)([^/\\?#]*)@", re.IGNORECASE)


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without user information, and user name and password, percent-decoded.

    None if the URL has no user information; an empty password if it has only a user name.
    """
    found = _USER_INFORMATION.match(url)
    if found is None:
        return url, None
    user, _, password = found[2].partition(":")
    return found[1] + url[found.end() :], (unquote(user), unquote(password))


def masked(url: str, mask: str) -> str:
    """The URL with `mask` instead of its password; `url` itself if it has no user information.

    A user name without a password is replaced too: such a name is an access token.
    """
    found = _USER_INFORMATION.match(url)
    if found is None:
        return url
    user, _, password = found[2].partition(":")
    shown = f"{user}:{mask}" if password else mask
    return f"{found[1]}{shown}@{url[found.end() :]}"


def credential_texts(url: str) -> Iterator[str]:
    """The texts that reveal the URL's password: as written, decoded, and with what is around it.

    The last one is long enough to be found inside other texts, however short the password is.
    """
    found = _USER_INFORMATION.match(url)
    if found is None or not found[2].strip(":"):
        return
    user, _, password = found[2].partition(":")
    secret = password or user
    yield secret
    yield unquote(secret)
    yield f"//{found[2]}@"
