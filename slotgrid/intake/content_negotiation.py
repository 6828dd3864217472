"""Content negotiation: chooses the media type of an answer (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, offers: Sequence[str]) -> str:
    """The offer that `Accept` ranks highest; on a tie, and without a match, the earlier offer.

    Many clients add `*/*` to every `Accept`, so a media type beside it with the same weight is no
    preference.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]

    def weight(offer: str) -> float:
        # The most specific range decides, even if a wider range has a higher weight.
        matching = [(len(wanted), weight) for wanted, weight in ranges if _covers(wanted, offer)]
        return max(matching)[1] if matching else 0.0

    return max(offers, key=weight)


def _range(part: str) -> tuple[str, float]:
    """`type/subtype` without its wildcards, and its weight; an invalid weight counts as 0."""
    wanted, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                weight = float(parameter[2:])
            except ValueError:
                weight = 0.0
    return wanted.removesuffix("*").removesuffix("*/"), weight


def _covers(wanted: str, offer: str) -> bool:
    return offer == wanted or not wanted or (wanted.endswith("/") and offer.startswith(wanted))
