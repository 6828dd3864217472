"""How Chromium is started, and that nothing passes round a proxy."""

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright

from slotgrid.runtime.setting_choices import BrowserKind
from tests.worker.browser.conftest import StartBrowsers, browsers_leaving_nothing
from worker.browser.browsers import Browsers
from worker.browser.find_chromium import find_executable
from worker.browser.launch import LaunchPlan
from worker.browser.sweep import temporary_base

OTHER_WAYS = """async target => {
    const settled = promise => Promise.race([
        Promise.resolve(promise).catch(() => {}), new Promise(done => setTimeout(done, 1000))]);
    const element = (name, url) => new Promise(done => {
        const made = document.createElement(name);
        made.onload = made.onerror = done;
        made.src = url;
        document.body.append(made);
    });
    const [name, six] = [target.replace('127.0.0.1', 'localhost'),
                         target.replace('127.0.0.1', '[::1]')];
    const worker = URL.createObjectURL(new Blob([`fetch('${target}/page?worker')`]));
    const peer = new RTCPeerConnection({
        iceServers: [{ urls: 'stun:' + target.replace('http://', '') }] });
    peer.createDataChannel('any');
    const candidates = [];
    peer.onicecandidate = event => event.candidate && candidates.push(event.candidate.candidate);
    await peer.setLocalDescription();
    await Promise.all([
        settled(fetch(target + '/page?fetch', { mode: 'no-cors' })),
        settled(fetch('/redirect?to=' + target + '/page?redirect', { mode: 'no-cors' })),
        settled(element('img', target + '/page?image')),
        settled(element('img', name + '/page?image-by-name')),
        settled(element('img', six + '/page?image-by-six')),
        settled(element('iframe', target + '/page?frame')),
        settled(new Promise(done => {
            const socket = new WebSocket(target.replace('http', 'ws') + '/socket');
            socket.onopen = socket.onerror = done;
        })),
        settled(new Promise(done => { new Worker(worker); setTimeout(done, 500) })),
        settled((async () => {
            const transport = new WebTransport(target.replace('http', 'https') + '/x');
            await transport.ready;
        })()),
        settled(navigator.sendBeacon(target + '/page?beacon')),
        settled(new Promise(done => setTimeout(done, 800))),
    ]);
    return candidates;
}"""


class RecordingProxy:
    """A forward proxy that lets one address through and notes what else was asked for."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        self.refused: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RecordingProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            address = target.removeprefix("http://").split("/")[0]
            if address != self.allowed:
                self.refused.append(f"{method} {target}")
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            host, _, port = address.partition(":")
            upstream, up = await asyncio.open_connection(host, int(port))
            with contextlib.closing(up):
                path = target.removeprefix(f"http://{address}") or "/"
                up.write(f"{method} {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                writer.write(await upstream.read())
                await writer.drain()


class Forbidden(asyncio.DatagramProtocol):
    """Notes who knocks at a port of 127.0.0.1, by TCP or by UDP."""

    def __init__(self) -> None:
        self.tcp = 0
        self.udp = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Forbidden"]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        self.url = f"http://127.0.0.1:{address[1]}"
        transport, _ = await loop.create_datagram_endpoint(lambda: self, address)
        try:
            yield self
        finally:
            transport.close()
            server.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.udp += 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tcp += 1
        writer.close()


@pytest.fixture
async def forbidden() -> AsyncIterator[Forbidden]:
    async with Forbidden().listening() as forbidden:
        yield forbidden


async def _try_everything(browsers: Browsers, site: TestServer, target: str) -> list[str]:
    """The WebRTC candidates that a page of `site` gathers while it tries to reach `target`."""
    task = await browsers.context()
    await task.page.goto(str(site.make_url("/page")))
    candidates: list[str] = await task.page.evaluate(OTHER_WAYS, target)
    await task.close()
    return candidates


async def test_with_a_proxy_all_traffic_passes_it_loopback_too(
    start: StartBrowsers, site: TestServer, forbidden: Forbidden
) -> None:
    async with RecordingProxy(allowed=f"127.0.0.1:{site.port}").running() as proxy:
        browsers = await start(LaunchPlan(proxy=proxy.url))
        candidates = await _try_everything(browsers, site, forbidden.url)
    assert (forbidden.tcp, forbidden.udp, candidates) == (0, 0, [])
    asked = " ".join(proxy.refused)
    for way in ("fetch", "redirect", "image", "image-by-name", "image-by-six", "frame", "worker"):
        assert f"/page?{way}" in asked, way
    assert f"CONNECT {forbidden.url.removeprefix('http://')}" in asked, "by WebSocket"


async def test_without_a_proxy_the_same_page_gets_there(
    start: StartBrowsers, site: TestServer, forbidden: Forbidden
) -> None:
    candidates = await _try_everything(await start(), site, forbidden.url)
    assert forbidden.tcp >= 5
    assert forbidden.udp > 0
    assert candidates


def test_the_switches_name_the_boot_and_bound_a_pages_memory() -> None:
    executable = find_executable(BrowserKind.SHELL)
    plan = LaunchPlan(page_heap_mb=77, extra_args=("--lang=de",), sandbox=True)
    options = plan.launch_options(executable, boot_id="abc")
    assert options["executable_path"] == executable.path
    assert options["chromium_sandbox"] is True
    assert {"--slotgrid-boot=abc", "--js-flags=--max-old-space-size=77", "--lang=de"} <= set(
        options["args"]
    )
    assert not any(options[f"handle_{name}"] for name in ("sigint", "sigterm", "sighup"))
    assert "proxy" not in options


def test_root_runs_without_the_sandbox_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not LaunchPlan().sandboxed
    assert LaunchPlan(sandbox=True).sandboxed


def test_others_run_with_it_where_namespaces_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not LaunchPlan().sandboxed, "what cannot be tried is taken for impossible"
    monkeypatch.undo()
    allowed = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], check=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert LaunchPlan().sandboxed == (allowed.returncode == 0)


async def test_a_browser_carries_the_mark_of_its_boot(start: StartBrowsers) -> None:
    browsers = await start(boot_id="marked")
    [browser] = browsers.stats().browsers
    assert "--slotgrid-boot=marked" in psutil.Process(browser.pid).cmdline()


async def test_features_stay_disabled_as_playwright_disables_them_and_ours_too(
    start: StartBrowsers,
) -> None:
    """A failure names what an upgrade of Playwright changed: carry it over to `launch.py`."""
    executable = LaunchPlan().executable().path
    async with async_playwright() as playwright:
        plain = await playwright.chromium.launch(executable_path=executable)
        [playwrights] = _disabled_features(await _browser_pid(plain))
    [browser] = (await start()).stats().browsers
    # Chromium obeys the last one.
    ours = {"RenderDocument", "AutofillServerCommunication"}
    assert _disabled_features(browser.pid)[-1] == {*playwrights, *ours}


async def _browser_pid(browser: Browser) -> int:
    cdp = await browser.new_browser_cdp_session()
    info = await cdp.send("SystemInfo.getProcessInfo")
    return next(int(one["id"]) for one in info["processInfo"] if one["type"] == "browser")


def _disabled_features(pid: int) -> list[set[str]]:
    """The features of each `--disable-features` on the command line of a running browser."""
    switch = "--disable-features="
    return [
        set(argument.removeprefix(switch).split(","))
        for argument in psutil.Process(pid).cmdline()
        if argument.startswith(switch)
    ]


async def test_the_full_browser_works_too() -> None:
    # Its socket needs a short path, which a worker sees to by `temporary_base`.
    with tempfile.TemporaryDirectory(prefix="sg", dir="/tmp") as base:
        async with browsers_leaving_nothing(Path(base) / "t") as start:
            browsers = await start(LaunchPlan(kind=BrowserKind.CHROMIUM))
            task = await browsers.context()
            await task.page.set_content("<title>full</title>")
            assert await task.page.title() == "full"
            await task.close()


def test_a_deep_data_folder_is_left_for_the_full_browsers_sake(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 40)
    assert temporary_base(deep, BrowserKind.SHELL) == deep / "tmp"
    base = temporary_base(deep, BrowserKind.CHROMIUM)
    assert base == temporary_base(deep, BrowserKind.CHROMIUM) != deep / "tmp"
    socket = base / f"slotgrid-{'b' * 12}/browser-999/org.chromium.Chromium.AbCdEf/SingletonSocket"
    assert len(str(socket)) <= 107
    assert temporary_base(Path("/srv/slotgrid"), BrowserKind.CHROMIUM) == Path("/srv/slotgrid/tmp")


def test_the_kind_that_starts_is_that_of_the_file_that_was_found(tmp_path: Path) -> None:
    full = tmp_path / "chromium"
    full.write_text("#!/bin/sh\n")
    full.chmod(0o755)
    assert LaunchPlan(chromium_path=full).kind_here() is BrowserKind.CHROMIUM
    assert LaunchPlan(chromium_path=tmp_path / "none").kind_here() is BrowserKind.SHELL
