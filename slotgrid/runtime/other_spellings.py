"""Variables that other systems of the field name differently, read as ours."""

from collections.abc import Mapping


def respelled(environ: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The same variables under our names, and one sentence for each that was changed.

    Ours win where both are given.
    """
    given = dict(environ)
    notices = []
    timeout_ms = given.get("DEFAULT_TIMEOUT", "").strip()
    if timeout_ms and not given.get("DEFAULT_TIMEOUT_S"):
        # What is no number is passed on as it is: the reader then says what was expected.
        timeout_s = f"{int(timeout_ms) / 1000:g}" if timeout_ms.isdecimal() else timeout_ms
        given["DEFAULT_TIMEOUT_S"] = timeout_s
        notices.append(
            f"DEFAULT_TIMEOUT={timeout_ms} (milliseconds) was read as DEFAULT_TIMEOUT_S={timeout_s}"
        )
    browser = given.get("BROWSER", "").strip()
    # Desktops and editors export BROWSER too, as the program that opens a link. Such a value is
    # not addressed to us; one that tries to name a Chromium is.
    if browser and ("/" in browser or "chrom" not in browser.lower()):
        del given["BROWSER"]
        notices.append(f"BROWSER={browser} was ignored: it names no Chromium that Slotgrid knows")
    return given, tuple(notices)
