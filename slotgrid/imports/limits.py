"""What parameters of ours take, where another system takes more."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

LIMITS: Mapping[str, tuple[float, float]] = {
    "seconds": (0, 86_400),
    "timeout_s": (0.001, 3600),
    "idle_s": (0.001, 60),
    "stable_s": (0.001, 60),
    "max_duration_s": (0.001, 600),
    "max_inflight": (0, 1000),
    "max_body_bytes": (0, 5_000_000),
    "max_frames": (1, 2000),
    "fps": (1, 10),
    "quality": (1, 100),
    "width": (1, 10_000),
    "height": (1, 10_000),
    "device_scale_factor": (0.1, 10),
}
CHOICES: Mapping[str, Sequence[str]] = {
    "color_scheme": ("dark", "light", "no-preference"),
    "direction": ("down", "up"),
}
_LISTS = ("urls", "columns")
_PAGES = re.compile(r"([1-9]\d*(-([1-9]\d*)?)?(, ?[1-9]\d*(-([1-9]\d*)?)?)*)?", re.ASCII)


def fitting(parameter: str, value: Any) -> Any:
    """The value as the parameter takes it: a number at the nearest limit, else as it is.

    Raises ValueError for one that cannot be given; templates are judged when they run.
    """
    if isinstance(value, str) and "{{" in value:
        return value
    if parameter in LIMITS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("it is no number")
        least, most = LIMITS[parameter]
        return min(max(value, least), most)
    if parameter == "pages" and not _PAGES.fullmatch(value):
        raise ValueError("it is no range of pages, such as 1-3,5")
    if parameter in CHOICES and value not in CHOICES[parameter]:
        raise ValueError(f"it is none of {', '.join(CHOICES[parameter])}")
    if parameter in _LISTS and (not isinstance(value, list) or not value):
        raise ValueError("it is no list")
    if parameter == "urls" and not all(_is_address(one) for one in value):
        raise ValueError("its items are no addresses")
    if parameter == "columns" and not all(isinstance(one, str) and one for one in value):
        raise ValueError("its items are no names")
    return value


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://", "{{"))
