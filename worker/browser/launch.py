"""How Chromium is started, with all of its switches."""

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slotgrid.runtime.setting_choices import BrowserKind
from worker.browser.errors import BrowserMissing
from worker.browser.find_chromium import Executable, find_executable

BOOT_SWITCH = "--slotgrid-boot="
"""A switch that marks a browser's main process with its boot id; Chromium ignores it."""

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
"""The features that Playwright disables. Chromium uses only the last `--disable-features` of its
command line, so ours repeats them; a test compares this list with the installed Playwright."""

FLOOD_SWITCH = "--disable-ipc-flooding-protection"
"""A switch that Playwright passes and we remove: Chromium then limits each page to 200
navigations and changes of its address in 10 s, as a desktop browser does."""

DISABLED_FEATURES = (
    *PLAYWRIGHT_DISABLES,
    # With it, `page.close()` hangs in about two of five calls that race a navigation.
    "RenderDocument",
    # The full Chromium sends the fields of each form to Google, to learn what they are for.
    "AutofillServerCommunication",
)

UNREACHABLE = "https://localhost:1/"
"""An address on a port that Chromium refuses before it connects to a proxy."""


@dataclass(frozen=True)
class LaunchPlan:
    """Which browser to start, and how.

    `sandbox`: None means automatic (off for root, off where the kernel forbids it).
    `proxy`: an `http://host:port` for all traffic, including loopback; None means no proxy.
    `page_heap_mb`: limit of a page's script heap; above it the tab crashes, which protects the
    machine's memory.
    `extra_args`: more Chromium switches; features to disable belong in DISABLED_FEATURES.
    """

    kind: BrowserKind = BrowserKind.SHELL
    chromium_path: Path | None = None
    headless: bool = True
    sandbox: bool | None = None
    proxy: str | None = None
    page_heap_mb: int = 1024
    extra_args: tuple[str, ...] = ()

    def executable(self) -> Executable:
        """The browser to start; each call searches again, as one may be installed meanwhile.

        Raises BrowserMissing.
        """
        return find_executable(self.kind, self.chromium_path)

    def kind_here(self) -> BrowserKind:
        """The kind that would start now: a full Chromium may replace a missing shell."""
        try:
            return self.executable().kind
        except BrowserMissing:
            return self.kind

    @cached_property
    def sandboxed(self) -> bool:
        """Whether Chromium's sandbox is on."""
        return _sandbox_possible() if self.sandbox is None else self.sandbox

    def launch_options(self, executable: Executable, *, boot_id: str) -> dict[str, Any]:
        """The arguments for Playwright's `chromium.launch`."""
        options: dict[str, Any] = {
            "executable_path": executable.path,
            "headless": self.headless,
            "chromium_sandbox": self.sandboxed,
            "ignore_default_args": [FLOOD_SWITCH],
            "args": [*self._switches(), f"{BOOT_SWITCH}{boot_id}"],
            # The worker ends its browsers itself: after Ctrl-C, running tasks finish first.
            "handle_sigint": False,
            "handle_sigterm": False,
            "handle_sighup": False,
        }
        if self.proxy is not None:
            # Playwright also sends loopback through the proxy; Chromium by default does not.
            options["proxy"] = {"server": self.proxy}
        return options

    def _switches(self) -> list[str]:
        switches = [
            # The full Chromium looks for updates and for a Google account, in spite of Playwright's
            # switches, and again after each failure.
            f"--component-updater=url-source={UNREACHABLE}",
            f"--gaia-url={UNREACHABLE}",
            f"--js-flags=--max-old-space-size={self.page_heap_mb}",
            f"--disable-features={','.join(DISABLED_FEATURES)}",
        ]
        if self.headless:
            switches.append("--disable-gpu")
        if self.proxy is not None:
            switches += [
                # QUIC and WebRTC use UDP, which an HTTP proxy cannot carry: they would bypass it.
                "--disable-quic",
                # The shell reads the first spelling of the WebRTC policy, Chromium the second.
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
                "--webrtc-ip-handling-policy=disable_non_proxied_udp",
                # The proxy resolves names, so Chromium must not query a name server.
                f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {urlsplit(self.proxy).hostname}",
            ]
        return [*switches, *self.extra_args]


def _sandbox_possible() -> bool:
    """Whether an unprivileged process may create the namespaces that Chromium's sandbox needs.

    A trial, not a look at settings: kernel, container engine and AppArmor can each forbid it.
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
