"""Names of the files that tasks save, in a form that every file system takes."""

import re
import unicodedata

from slotgrid.core.event_log import well_formed

NAME_BYTES = 240
"""Bytes of a name in UTF-8: file systems take 255, and a download in progress appends `.part`."""
_ACCEPTED_BYTES = 249
"""Longer names could not be saved by any earlier version."""

_REFUSED = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"*/:<>?\\|]')
"""Control characters, and what a file system or a shell on Windows, macOS or Linux takes apart."""
_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
"""Without a shape of their own, but the power to show `exe.fdp` as `pdf.exe`. The joiners U+200C
and U+200D are not among them: scripts and emoji are written with them."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$)\s*(\.|$)", re.I)
"""Windows opens a device by these names, whatever the suffix."""
_SUFFIX = re.compile(r"(\.tar)?\.[^. ]{1,16}$")
_PLAIN = re.compile(r"\w[\w.\- ]{0,199}")


def file_name(given: str) -> str:
    """Return the name under which a file called `given` is saved.

    Letters of all scripts, spaces and parentheses stay. Other characters become `_`, as browsers
    do it; the name is in NFC, and at most `NAME_BYTES` long, with its suffix.
    """
    name = unicodedata.normalize("NFC", _INVISIBLE.sub("", well_formed(given)))
    name = _REFUSED.sub("_", name)
    name = re.sub(r"\s", " ", name).strip(" .")
    if _DEVICE.match(name):
        name = f"_{name}"
    return _cut(name, "") or "file"


def numbered(name: str, number: int) -> str:
    """Return `name` with a number before its suffix, like `Report (2).pdf`."""
    return _cut(name, f" ({number})")


def plain_name(name: str) -> str:
    """Return the name in letters, digits, `.`, `-`, `_` and spaces.

    Peers of a protocol below 1.2 refuse others.
    """
    replaced = re.sub(r"[^\w.\- ]", "_", name)
    return replaced if re.match(r"\w", replaced) else f"_{replaced}"


def is_plain_name(name: str) -> bool:
    """Whether a peer of a protocol below 1.2 takes the name."""
    return _PLAIN.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Whether a file of this name may come from another node, also of an earlier version."""
    return (
        name != ""
        and not name.startswith(".")
        and re.search(r"[\x00-\x1f\x7f/\\]", name) is None
        and name == well_formed(name)
        and len(name.encode()) <= _ACCEPTED_BYTES
    )


def _cut(name: str, addition: str) -> str:
    """The name with `addition` before its suffix, and a stem short enough for both."""
    found = _SUFFIX.search(name)
    suffix = found[0] if found is not None and found.start() else ""
    stem = name.removesuffix(suffix).encode()
    room = NAME_BYTES - len((addition + suffix).encode())
    if len(stem) > room:
        # Whole characters only, and no joiner that joins nothing.
        stem = stem[:room].decode(errors="ignore").rstrip(" .\u200c\u200d").encode()
    return stem.decode() + addition + suffix
