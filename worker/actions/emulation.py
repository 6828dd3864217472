"""Emulation: another device, place, time zone or network, in all tabs of the task."""

from typing import Annotated, Any, Literal

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.emulated_device import PRESETS, Network, Preset, device
from worker.actions.emulator import Emulated, Emulator

Side = Annotated[int, Meta(ge=1, le=10_000)]
ScaleFactor = Annotated[
    Annotated[float, Meta(ge=0.1, le=10)] | None,
    Meta(description="Pixels of the screen for a CSS pixel"),
]
Width = Annotated[Side | None, Meta(description="Width of the window in CSS pixels")]
Height = Annotated[Side | None, Meta(description="Height of the window in CSS pixels")]
Mobile = Annotated[
    bool | None, Meta(description="Whether pages are laid out as on a phone (`meta viewport`)")
]
Touch = Annotated[bool | None, Meta(description="Whether the screen can be touched")]
AgentName = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[\x20-\x7e]+$")]
AgentPlatform = Annotated[
    Annotated[str, Meta(max_length=100, pattern=r"^[\x20-\x7e]*$")] | None,
    Meta(description="`navigator.platform`, such as `Win32`, `MacIntel`, `Linux armv8l`"),
]
Locale = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", max_length=40)]
Zone = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+/-]+$", max_length=100)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Accuracy = Annotated[float, Meta(ge=0, le=1_000_000, description="Metres")]
ColorScheme = Literal["light", "dark", "no-preference"]
Motion = Literal["reduce", "no-preference"]
Medium = Literal["screen", "print"]
DeviceName = Annotated[str, Meta(min_length=1, max_length=100)]
Speed = Annotated[float, Meta(ge=0, le=10_000_000_000)]


@action
async def emulate(
    action: ActionContext,
    *,
    device: Annotated[DeviceName | None, Meta(description="Name as in `set_device`")] = None,
    width: Width = None,
    height: Height = None,
    device_scale_factor: ScaleFactor = None,
    mobile: Mobile = None,
    touch: Touch = None,
    user_agent: Annotated[AgentName | None, Meta(description="`User-Agent`")] = None,
    platform: AgentPlatform = None,
    locale: Annotated[Locale | None, Meta(description="Language, such as `de-DE`")] = None,
    timezone: Annotated[Zone | None, Meta(description="Such as `Asia/Tokyo`")] = None,
    latitude: Annotated[Latitude | None, Meta(description="With `longitude`")] = None,
    longitude: Annotated[Longitude | None, Meta(description="With `latitude`")] = None,
    accuracy_m: Accuracy = 0,
    color_scheme: Annotated[ColorScheme | None, Meta(description="Preferred colours")] = None,
    reduced_motion: Annotated[Motion | None, Meta(description="Preferred motion")] = None,
    media: Annotated[Medium | None, Meta(description="Kind of medium")] = None,
    offline: Annotated[bool | None, Meta(description="Without a network")] = None,
    throttle: Annotated[Preset | None, Meta(description="Network as in `throttle`")] = None,
    reset: Annotated[bool, Meta(description="Undo all emulation before")] = False,
) -> Emulated:
    """Emulate several things at once, or undo them; omitted ones do not change.

    Example:

    ```yaml
    - action: emulate
      with: {device: iPhone 15, locale: fr-FR, timezone: Europe/Paris, color_scheme: dark}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: emulate, with: {reset: true}}
    ```

    Limits:

    - It holds for all tabs, also for those opened later, until the task ends. A tab that a page
      opens by itself may send its first request without it.
    - A frame of another site has its own process: user agent, language and time zone of the page
      do not reach its scripts. Options of the pool (or the `browser` of a recipe) do.
    - A picture of the whole page is taken without `mobile` and `device_scale_factor`.
    """
    changes: dict[str, Any] = {}
    if (latitude is None) != (longitude is None):
        missing = "latitude" if latitude is None else "longitude"
        message = "`latitude` and `longitude` go together"
        raise ParametersInvalid("emulate", [Violation(f"/{missing}", message)])
    if reset:
        await action.page()
        await action.session.part(Emulator).reset()
    if device is not None:
        changes |= await _of_device(action, device)
    if latitude is not None:
        changes |= {"latitude": latitude, "longitude": longitude, "accuracy_m": accuracy_m}
    if throttle is not None:
        changes |= _of_preset(throttle)
    given = {
        "width": width,
        "height": height,
        "device_scale_factor": device_scale_factor,
        "mobile": mobile,
        "touch": touch,
        "user_agent": user_agent,
        "platform": platform,
        "locale": locale,
        "timezone": timezone,
        "color_scheme": color_scheme,
        "reduced_motion": reduced_motion,
        "media": media,
        "offline": offline,
    }
    changes |= {name: value for name, value in given.items() if value is not None}
    return await _changed(action, **changes)


@action
async def set_viewport(
    action: ActionContext,
    width: Annotated[Side, Meta(description="Width of the window in CSS pixels")],
    height: Annotated[Side, Meta(description="Height of the window in CSS pixels")],
    *,
    device_scale_factor: ScaleFactor = None,
    mobile: Mobile = None,
) -> Emulated:
    """Set the size of the window.

    Example:

    ```yaml
    - {action: set_viewport, with: {width: 390, height: 844}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```
    """
    changes = {"device_scale_factor": device_scale_factor, "mobile": mobile}
    given = {name: value for name, value in changes.items() if value is not None}
    return await _changed(action, width=width, height=height, **given)


@action
async def set_device(
    action: ActionContext,
    device: Annotated[
        DeviceName,
        Meta(description="A device of Playwright's, such as `iPhone 15` or `Pixel 7 landscape`"),
    ],
) -> Emulated:
    """Emulate a device: its window, scale, touch screen and user agent.

    Example:

    ```yaml
    - {action: set_device, with: {device: Pixel 7}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - The browser stays Chromium, whatever the user agent says.
    """
    return await _changed(action, **await _of_device(action, device))


@action
async def set_user_agent(
    action: ActionContext,
    user_agent: Annotated[AgentName, Meta(description="`User-Agent`, in requests and scripts")],
    *,
    platform: AgentPlatform = None,
) -> Emulated:
    """Give the browser another name, with the client hints that go with it.

    Example:

    ```yaml
    - {action: set_user_agent, with: {user_agent: Example/1.0, platform: Win32}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - A name that is not of Chromium has no client hints, as with Firefox and Safari.
    """
    given = {} if platform is None else {"platform": platform}
    return await _changed(action, user_agent=user_agent, **given)


@action
async def set_locale(
    action: ActionContext,
    locale: Annotated[Locale, Meta(description="Language and country, such as `de-DE`")],
) -> Emulated:
    """Set the language: `Accept-Language`, `navigator.language`, numbers and dates.

    Example:

    ```yaml
    - {action: set_locale, with: {locale: de-DE}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - Not where the pool or the recipe's `browser` sets one: Chromium takes one at a time.
    """
    return await _changed(action, locale=locale.replace("_", "-"))


@action
async def set_timezone(
    action: ActionContext,
    timezone: Annotated[Zone, Meta(description="Name of the zone, such as `Asia/Tokyo`")],
) -> Emulated:
    """Set the time zone of pages.

    Example:

    ```yaml
    - {action: set_timezone, with: {timezone: Asia/Tokyo}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - Not where the pool or the recipe's `browser` sets one: Chromium takes one at a time.
    """
    return await _changed(action, timezone=timezone)


@action
async def set_geolocation(
    action: ActionContext,
    latitude: Annotated[Latitude, Meta(description="Degrees, north is positive")],
    longitude: Annotated[Longitude, Meta(description="Degrees, east is positive")],
    *,
    accuracy_m: Accuracy = 0,
) -> Emulated:
    """Set the place of the browser, and let every page ask for it.

    Example:

    ```yaml
    - {action: set_geolocation, with: {latitude: 52.52, longitude: 13.4}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - Pages get a place at `https://` addresses and at loopback only.
    """
    return await _changed(action, latitude=latitude, longitude=longitude, accuracy_m=accuracy_m)


@action
async def set_media(
    action: ActionContext,
    *,
    media: Annotated[Medium | None, Meta(description="Kind of medium")] = None,
    color_scheme: Annotated[ColorScheme | None, Meta(description="Preferred colours")] = None,
    reduced_motion: Annotated[Motion | None, Meta(description="Preferred motion")] = None,
) -> Emulated:
    """Set what CSS asks for by `@media`: screen or print, colours, motion.

    Example:

    ```yaml
    - {action: set_media, with: {color_scheme: dark, reduced_motion: reduce}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```
    """
    given = {"media": media, "color_scheme": color_scheme, "reduced_motion": reduced_motion}
    return await _changed(
        action, **{name: value for name, value in given.items() if value is not None}
    )


@action
async def set_offline(
    action: ActionContext,
    offline: Annotated[bool, Meta(description="Whether pages have no network")] = True,
) -> Emulated:
    """Take the network away from pages, or give it back.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: set_offline}
    - {action: set_offline, with: {offline: false}}
    ```
    """
    return await _changed(action, offline=offline)


@action
async def throttle(
    action: ActionContext,
    preset: Annotated[
        Preset | None, Meta(description="`none` ends it; single values below replace its own")
    ] = None,
    *,
    latency_ms: Annotated[
        Annotated[float, Meta(ge=0, le=60_000)] | None,
        Meta(description="Milliseconds before each answer"),
    ] = None,
    download_bytes_per_s: Annotated[Speed | None, Meta(description="To the page")] = None,
    upload_bytes_per_s: Annotated[Speed | None, Meta(description="From the page")] = None,
    cpu_slowdown: Annotated[
        Annotated[float, Meta(ge=1, le=100)] | None,
        Meta(description="How many times slower scripts run; 1 is normal"),
    ] = None,
) -> Emulated:
    """Slow down the network, and the processor, as pages have them.

    Example:

    ```yaml
    - {action: throttle, with: {preset: fast-3g}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: throttle, with: {preset: none}}
    ```

    Limits:

    - `slow-3g`: 2,000 ms, 50 kB/s; `fast-3g`: 563 ms, 180 kB/s, up 84; `4g`: 165 ms, 1,013 kB/s,
      up 169; `wifi`: 2 ms, 3,750 kB/s, up 1,875. Each request is slowed down by itself.
    - Requests of service workers keep their speed.
    """
    changes: dict[str, Any] = {} if preset is None else _of_preset(preset)
    values = (latency_ms, download_bytes_per_s, upload_bytes_per_s)
    if any(value is not None for value in values):
        base = changes.get("network") or action.session.part(Emulator).settings.network or Network()
        changes["network"] = Network(
            base.latency_ms if latency_ms is None else latency_ms,
            base.download_bytes_per_s if download_bytes_per_s is None else download_bytes_per_s,
            base.upload_bytes_per_s if upload_bytes_per_s is None else upload_bytes_per_s,
        )
    if cpu_slowdown is not None:
        changes["cpu_slowdown"] = cpu_slowdown
    if not changes:
        raise ParametersInvalid("throttle", [Violation("", "give `preset`, or a value")])
    return await _changed(action, **changes)


def _of_preset(preset: Preset) -> dict[str, Any]:
    if preset == "offline":
        return {"offline": True}
    none = {"cpu_slowdown": 1.0} if preset == "none" else {}
    return {"offline": False, "network": PRESETS[preset], **none}


async def _of_device(action: ActionContext, name: str) -> dict[str, Any]:
    found = device(await action.page(), name)
    return {
        "width": found["viewport"]["width"],
        "height": found["viewport"]["height"],
        "device_scale_factor": found["device_scale_factor"],
        "mobile": found["is_mobile"],
        "touch": found["has_touch"],
        "user_agent": found["user_agent"],
    }


async def _changed(action: ActionContext, **changes: Any) -> Emulated:
    page = await action.page()
    emulator = action.session.part(Emulator)
    if not changes:
        return emulator.settings
    return await emulator.change(action.session, page, **changes)
