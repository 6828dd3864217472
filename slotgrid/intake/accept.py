"""Which of the forms that we can answer in a caller wants (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, offers: Sequence[str]) -> str:
    """The offer that `Accept` ranks highest; the earlier one of equals, the first for none.

    Many clients add `*/*` to whatever they send, so a form that is only named beside it is no
    request for that form.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    # Every range beyond the best one that matches is shadowed by it: the most specific decides.
    weights = {
        offer: max(((len(wanted), weight) for wanted, weight in ranges if _matches(wanted, offer)))[
            1
        ]
        for offer in offers
        if any(_matches(wanted, offer) for wanted, _ in ranges)
    }
    return max(offers, key=lambda offer: weights.get(offer, 0.0))


def _range(part: str) -> tuple[str, float]:
    """`type/subtype` without the stars, and its weight; what cannot be read weighs nothing."""
    wanted, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                weight = float(parameter[2:])
            except ValueError:
                weight = 0.0
    return wanted.removesuffix("*").removesuffix("*/"), weight


def _matches(wanted: str, offer: str) -> bool:
    return offer == wanted or (wanted in {"", f"{offer.split('/', maxsplit=1)[0]}/"})
