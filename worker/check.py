"""`--check`: checks of this machine and its settings, before a worker is started."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Collection, Coroutine
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import orjson
import structlog
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from slotgrid.intake.api.node import ALIVE
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.secrets import HIDDEN
from slotgrid.runtime.settings import Settings, SettingsError
from slotgrid.url_credentials import masked
from worker.app import declared_secrets, functions_registry, launch_plan, worker_pools
from worker.browser.errors import BrowserMissing
from worker.browser.find_chromium import browser_version
from worker.browser.fonts import SCRIPTS, Script, packages_for, undrawn_scripts
from worker.plain.child_processes import PlainProcesses
from worker.pools.pool import Pool

LAUNCH_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `advice` says what to do if it failed."""

    name: str
    ok: bool
    detail: str
    advice: str | None = None


def print_checks() -> int:
    """Print all checks as one JSON document; returns 0 if all passed, else 1."""
    # stdout has only the document; the parts under test log to stderr.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    checks = asyncio.run(all_checks())
    ok = all(check.ok for check in checks)
    document = {"ok": ok, "checks": [asdict(check) for check in checks]}
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return 0 if ok else 1


async def all_checks() -> list[Check]:
    """Run all checks, the settings first: the other checks need them."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return [
            Check("settings", False, problem, "correct it in .env or in the environment")
            for problem in error.problems
        ]
    checks = [Check("settings", True, f"group {settings.group}, {settings.slots} slots")]
    checks += [Check("settings", True, notice) for notice in settings.notices]
    try:
        pools = worker_pools(settings, declared_secrets(settings))
    except SettingsError as error:
        advice = "correct the file, or set POOLS or POOLS_FILE"
        return [*checks, *(Check("pools", False, problem, advice) for problem in error.problems)]
    checks += [_pool(pool) for pool in pools.started]
    looks: list[Callable[[Settings], Coroutine[Any, Any, list[Check]]]] = [
        _key,
        _port,
        _data_dir,
        _secrets,
        _functions,
        _guard,
        _chromium,
    ]
    for look in looks:
        checks += await look(settings)
    return checks


def _pool(pool: Pool) -> Check:
    slots = "1 slot" if pool.size == 1 else f"{pool.size} slots"
    profile = "" if pool.profile is None else f", profiles in {pool.profile}"
    setup = "" if pool.setup is None else f", set up by {pool.setup}"
    proxy = "" if pool.proxy is None else f", proxy {masked(pool.proxy.server, HIDDEN)}"
    detail = f"{pool.name}: {slots}, isolation {pool.isolation}{profile}{setup}{proxy}"
    if pool.profile is not None and not pool.profile.is_dir():
        return Check("pools", False, f"{detail}: it is missing", "create or mount the folder")
    return Check("pools", True, detail)


async def _key(settings: Settings) -> list[Check]:
    if settings.auth_key:
        return [Check("key", True, "AUTH_KEY is set")]
    advice = "set AUTH_KEY in .env; `make run` generates one"
    return [Check("key", False, "AUTH_KEY is empty: every request would be refused", advice)]


async def _port(settings: Settings) -> list[Check]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"{host}:{settings.port}"
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and await _node_answers(where):
                return [Check("port", True, f"{where}: another node of Slotgrid listens there")]
            advice = "stop the process that listens there, or set another PORT"
            return [Check("port", False, f"{where}: {error.strerror}", advice)]
    return [Check("port", True, f"{where} is free")]


async def _node_answers(where: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{where}/livez") as answer,
        ):
            return await answer.read() == ALIVE
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def _data_dir(settings: Settings) -> list[Check]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".check-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        advice = "make it writable for this user, or set DATA_DIR"
        return [Check("data folder", False, f"{folder}: {error.strerror}", advice)]
    return [Check("data folder", True, f"{folder} is writable")]


async def _secrets(settings: Settings) -> list[Check]:
    """The declared secrets, never their values."""
    secrets = declared_secrets(settings)
    await secrets.look()
    report = secrets.report()
    if report["file_fault"]:
        fault = f"{settings.secrets_file}: {report['file_fault']}"
        return [Check("secrets", False, fault, "correct the file, or set SECRETS_FILE")]
    checks = []
    for one in report["declared"]:
        named = f"{one['name']} ({one['description']})" if one["description"] else one["name"]
        if one["state"] == "present":
            checks.append(Check("secrets", True, f"{named}: present, from its {one['source']}"))
            continue
        lacking = one["required"] or one["state"] == "unusable"
        detail = f"{named}: {one['state']}{'' if one['required'] else ', not required'}"
        advice = "give it a value where its source says; functions that name it are left out"
        detail = f"{detail}; {one['problem']}"
        checks.append(Check("secrets", not lacking, detail, advice if lacking else None))
    checks += [Check("secrets", True, notice) for notice in secrets.notices()]
    return checks or [Check("secrets", True, f"{settings.secrets_file} declares none")]


async def _functions(settings: Settings) -> list[Check]:
    folder = settings.functions_dir
    if not folder.is_dir():
        advice = "create it, or set FUNCTIONS_DIR"
        return [Check("functions", False, f"{folder} is not a folder", advice)]
    secrets = declared_secrets(settings)
    await secrets.look()
    pools = worker_pools(settings, secrets)
    registry = functions_registry(settings, PlainProcesses(limit=1), secrets, pools)
    await registry.load()
    checks = [
        Check("functions", False, f"{broken.path}: {broken.error}", "correct the file")
        for broken in registry.broken
    ]
    return [*checks, Check("functions", True, f"{len(registry.specs())} in {folder}")]


async def _guard(settings: Settings) -> list[Check]:
    """Say what pages may reach; nothing here is a fault."""
    if not settings.traffic_guard:
        return [Check("guard", True, "off (TRAFFIC_GUARD): pages reach all that this machine can")]
    opened = settings.allowed_private_networks
    private = f"and {opened} (ALLOWED_PRIVATE_NETWORKS)" if opened else "only"
    return [Check("guard", True, f"on: pages and webhooks reach public addresses {private}")]


async def _chromium(settings: Settings) -> list[Check]:
    """Start Chromium as a worker does: an installed browser may still fail to start."""
    plan = launch_plan(settings)
    try:
        executable = plan.executable()
        version = await browser_version(executable)
        async with asyncio.timeout(LAUNCH_TIMEOUT_S), async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                **plan.launch_options(executable, boot_id="check")
            )
            page = await browser.new_page()
            await page.goto("data:text/html,<title>ok</title>")
            undrawn = await undrawn_scripts(page)
            await browser.close()
    except BrowserMissing as error:
        return [Check("chromium", False, str(error), "install it as the message says")]
    except (PlaywrightError, TimeoutError, OSError) as error:
        advice = "as root or in a container set BROWSER_SANDBOX=off; see the message for a library"
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        return [Check("chromium", False, f"it does not start: {reason[0]}", advice)]
    sandbox = "on" if plan.sandboxed else "off"
    started = f"{version} from {executable.source}, sandbox {sandbox}"
    return [Check("chromium", True, started), _fonts(undrawn)]


def _fonts(undrawn: Collection[Script]) -> Check:
    """A missing script is not a fault, as many workers need none but Latin."""
    if not undrawn:
        return Check("fonts", True, f"all {len(SCRIPTS)} scripts that were tried are drawn")
    names = ", ".join(script.name for script in undrawn)
    advice = f"on Debian: sudo apt-get install {' '.join(packages_for(undrawn))}"
    latin = all(script.name != "Latin" for script in undrawn)
    return Check("fonts", latin, f"boxes are drawn instead of {names}", advice)
