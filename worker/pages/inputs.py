"""Types of input fields that several functions have; each carries its part of the schema."""

from typing import Annotated, Literal

import msgspec

from slotgrid.function import Meta, UrlWithPassword

Url = Annotated[
    UrlWithPassword,
    Meta(
        pattern="^https?://",
        max_length=8192,
        description="Address of the page, with `http://` or `https://`; `user:password@` in it is "
        "used for HTTP authentication",
        examples=["https://example.org/"],
    ),
]
WaitUntil = Annotated[
    Literal["commit", "domcontentloaded", "load", "networkidle"],
    Meta(description="How far the page must have loaded"),
]
Selector = Annotated[str, Meta(min_length=1, max_length=2000)]
WaitFor = Annotated[
    Selector | None, Meta(description="Selector of an element to wait for, for what renders late")
]

SettleS = Annotated[
    float,
    Meta(
        ge=0,
        le=60,
        description="Seconds that a page with scripts may take to come to rest once it has loaded, "
        "for pages that move on by script; 0 does not wait",
    ),
]
LoadTimeoutS = Annotated[
    float,
    Meta(
        gt=0,
        le=600,
        description="Seconds that a page may take to load; after them it is used as it is, with "
        "`loaded` false",
    ),
]


# A struct, as a dataclass would ignore an unknown name.
class Viewport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The size of the window, in CSS pixels."""

    width: Annotated[int, Meta(ge=1, le=8192)] = 1280
    height: Annotated[int, Meta(ge=1, le=8192)] = 720


Window = Annotated[Viewport | None, Meta(description="Size of the window; 1280 x 720 if left out")]
