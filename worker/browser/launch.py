"""How Chromium is started: the one place that knows its switches."""

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slotgrid.runtime.choices import BrowserKind
from worker.browser.errors import BrowserMissing
from worker.browser.find import Executable, find_executable

BOOT_SWITCH = "--slotgrid-boot="
"""Marks the main process of a browser with the boot it belongs to; Chromium ignores it."""

PLAYWRIGHT_DISABLES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
"""The features that Playwright switches off. Chromium obeys only the last `--disable-features` of
its command line, so ours repeats them; a test compares this list with the installed Playwright."""

FLOOD_SWITCH = "--disable-ipc-flooding-protection"
"""A switch that Playwright passes, and that we leave out: Chromium then holds each page to 200
navigations and changes of its address in 10 s, as in any desktop browser."""

DISABLED_FEATURES = (
    *PLAYWRIGHT_DISABLES,
    # With it, `page.close()` hangs in about two of five calls that race a navigation.
    "RenderDocument",
)


@dataclass(frozen=True)
class LaunchPlan:
    """Which browser to start, and how.

    `sandbox`: None decides by the machine (off for root, off where the kernel forbids it).
    `proxy`: an `http://host:port` that all traffic has to pass, loopback too; None is no proxy.
    `page_heap_mb`: a page whose script holds more loses its tab, instead of the machine its memory.
    `extra_args`: more switches of Chromium; a feature to disable belongs to DISABLED_FEATURES.
    """

    kind: BrowserKind = BrowserKind.SHELL
    chromium_path: Path | None = None
    headless: bool = True
    sandbox: bool | None = None
    proxy: str | None = None
    page_heap_mb: int = 1024
    extra_args: tuple[str, ...] = ()

    def executable(self) -> Executable:
        """The browser to start, sought anew each time, since one may be installed meanwhile.

        Raises BrowserMissing.
        """
        return find_executable(self.kind, self.chromium_path)

    def kind_here(self) -> BrowserKind:
        """Which kind would start now: a full Chromium may have to stand in for the shell."""
        try:
            return self.executable().kind
        except BrowserMissing:
            return self.kind

    @cached_property
    def sandboxed(self) -> bool:
        """Whether Chromium's sandbox is on."""
        return _sandbox_possible() if self.sandbox is None else self.sandbox

    def launch_options(self, executable: Executable, *, boot_id: str) -> dict[str, Any]:
        """What Playwright's `chromium.launch` is called with."""
        options: dict[str, Any] = {
            "executable_path": executable.path,
            "headless": self.headless,
            "chromium_sandbox": self.sandboxed,
            "ignore_default_args": [FLOOD_SWITCH],
            "args": [*self._switches(), f"{BOOT_SWITCH}{boot_id}"],
            # The worker decides when a browser ends: at Ctrl-C running tasks finish first.
            "handle_sigint": False,
            "handle_sigterm": False,
            "handle_sighup": False,
        }
        if self.proxy is not None:
            # Playwright also sends loopback through it, which Chromium alone would not.
            options["proxy"] = {"server": self.proxy}
        return options

    def _switches(self) -> list[str]:
        switches = [
            f"--js-flags=--max-old-space-size={self.page_heap_mb}",
            f"--disable-features={','.join(DISABLED_FEATURES)}",
        ]
        if self.headless:
            switches.append("--disable-gpu")
        if self.proxy is not None:
            switches += [
                # QUIC and WebRTC speak UDP, which no HTTP proxy carries: they would go round it.
                "--disable-quic",
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
                # The proxy resolves names, so Chromium has no reason to ask a name server.
                f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {urlsplit(self.proxy).hostname}",
            ]
        return [*switches, *self.extra_args]


def _sandbox_possible() -> bool:
    """Whether an unprivileged process may make the namespaces that Chromium's sandbox needs.

    Tried rather than read from settings, as kernel, container engine and AppArmor each have a say.
    """
    if os.geteuid() == 0:
        return False
    try:
        trial = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", "true"],  # noqa: S607
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0
