"""Which of the forms that we can answer in a caller wants (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, offers: Sequence[str]) -> str:
    """The offer that `Accept` ranks highest; the earlier one of equals, the first for none.

    Many clients add `*/*` to whatever they send, so a form that is only named beside it is no
    request for that form.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]

    def weight(offer: str) -> float:
        # The range that says most about the offer decides, whatever the wider ones weigh.
        matching = [(len(wanted), weight) for wanted, weight in ranges if _covers(wanted, offer)]
        return max(matching)[1] if matching else 0.0

    return max(offers, key=weight)


def _range(part: str) -> tuple[str, float]:
    """`type/subtype` without its stars, and its weight; what cannot be read weighs nothing."""
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
