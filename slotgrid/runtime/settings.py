"""The settings of a node: one frozen `Settings` per process, read once from a mapping.

The class below declares each setting once, with name, type, default, unit and purpose.
`.env.example` is printed from it, so the two cannot differ. An empty value means the default.
"""

import math
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from slotgrid.runtime import setting_values as a
from slotgrid.runtime.exposure import is_loopback
from slotgrid.runtime.secrets import is_secret_name
from slotgrid.runtime.setting_aliases import NodeKind, respelled
from slotgrid.runtime.setting_choices import (
    BrowserKind,
    LogFormat,
    LogLevel,
    ProxyResolver,
    Sandbox,
)
from slotgrid.runtime.setting_rules import browser_faults, key_faults
from slotgrid.runtime.setting_table import read_table, setting, table_of

# ruff: noqa: RUF009  `setting(...)` is how a field is declared, not a default that is shared

SLOTS_PER_BROWSER = 4
DAY_S = 86_400
NO_DEFAULTS: Mapping[str, str] = MappingProxyType({})
BALANCER_DEFAULTS: Mapping[str, str] = MappingProxyType(
    # Its own data folder, as worker and balancer may start in the same working directory.
    {"PORT": "4000", "DATA_DIR": ".data/balancer"}
)


class SettingsError(Exception):
    """The environment is invalid. `problems` has one line for each fault, all at once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a node. Only `from_env` creates them, as it checks the rules."""

    host: str = setting(
        a.text("an address or host name"),
        "127.0.0.1",
        "Address to listen on. Any other than loopback requires a strong AUTH_KEY.",
        heading="Address and identity",
    )
    port: int = setting(
        a.integer(0, 65535),
        "3000",
        "Port to listen on; 0 takes a free one. A balancer's default is 4000.",
    )
    root_path: str = setting(
        a.text("a path such as /slotgrid, without a slash at its end", a.PATH_PREFIX),
        "",
        "Path prefix under which a reverse proxy serves this node.",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        a.networks(),
        "",
        "Reverse proxies whose X-Forwarded-* headers are trusted: addresses or CIDR "
        "networks, separated by commas.",
    )
    node_name: str = setting(
        a.text("letters, digits, dots, dashes, underscores, at most 100", a.NODE_NAME),
        "host name and port",
        "Name of this node. Must stay the same across restarts.",
        derive=lambda above: f"{socket.gethostname()}-{above['port']}",
    )
    group: str = setting(
        a.text("letters, digits, dashes, underscores, at most 64", a.WORD),
        "default",
        "Set of functions that this node serves. Same group and contract means the same functions.",
    )
    contract: int = setting(a.integer(1, 2**31 - 1), "1", "Version of the group's functions.")
    labels: Mapping[str, str] = setting(
        a.labels(),
        "",
        "Labels that a task may ask for in `place`: name=value, separated by commas.",
    )
    functions_dir: Path = setting(a.path(), "functions", "Folder of the functions.")
    data_dir: Path = setting(
        a.path(),
        ".data",
        "Folder for the node's data: database, artifacts, profiles, the reason for the last crash. "
        "A balancer's default is .data/balancer.",
    )
    balancer_urls: tuple[str, ...] = setting(
        a.urls(),
        "",
        "Balancers that a worker dials by itself: URLs, separated by commas. A balancer that "
        "lists the worker in its workers.json needs no entry here.",
        env="BALANCER_URL",
    )
    workers_file: Path = setting(
        a.path(),
        "workers.json",
        "A balancer's list of workers: URLs, or objects of url, key, weight, labels. Reloaded "
        "when it changes.",
    )
    secrets_file: Path = setting(
        a.path(),
        "secrets.yaml",
        "A worker's secrets for its functions: descriptions, and where their values are. Optional; "
        "reloaded when it changes.",
    )

    mounts_file: Path = setting(
        a.path(),
        "mounts.yaml",
        "Folders that this node lists and serves, if the file exists. Reloaded when it changes.",
    )
    schedules_file: Path = setting(
        a.path(),
        "schedules.yaml",
        "A balancer's schedules, besides those made by its API. Optional; reloaded when it "
        "changes.",
    )

    users_file: Path = setting(
        a.path(),
        "users.json",
        "Users with keys, scopes and limits of their own: `slotgrid users` writes it. Optional; "
        "reloaded when it changes.",
    )
    hooks_file: Path = setting(
        a.path(),
        "hooks.yaml",
        "A balancer's hooks: requests without a key that start tasks. Optional; reloaded when it "
        "changes.",
    )

    auth_key: str = setting(
        a.text("printable ASCII without spaces", a.KEY),
        "",
        "Key of the built-in user root, who may do everything. `make run` generates one. A "
        "public HOST requires 16 characters or more.",
        secret=True,
        heading="Access",
    )
    balancer_key: str = setting(
        a.text("printable ASCII without spaces", a.KEY),
        "",
        "Key by which balancer and worker authenticate each other. Default: AUTH_KEY.",
        secret=True,
    )
    openapi_enabled: bool = setting(a.boolean(), "true", "Serve /docs and /openapi.")
    openapi_public: bool = setting(
        a.boolean(), "false", "On a public HOST, serve /docs and /openapi without a key."
    )
    metrics_public: bool = setting(a.boolean(), "false", "Serve /metrics without a key.")
    cors_enabled: bool = setting(
        a.boolean(), "false", "Let web pages of other origins call this node."
    )
    cors_origins: tuple[str, ...] = setting(
        a.origins(),
        "*",
        "Origins that CORS_ENABLED allows, separated by commas. Keys travel in a header, "
        "never in a cookie, so * gives a page no more rights than its user has.",
    )
    request_body_limit_bytes: int = setting(
        a.size_bytes(1024, 2**31),
        "10mb",
        "Largest request body.",
        unit="b, kb, mb, gb",
        env="REQUEST_BODY_LIMIT",
    )

    slots: int = setting(
        a.integer(1, 1000), "10", "Tasks that run at the same time.", heading="Slots and waiting"
    )
    pools: Mapping[str, int] = setting(
        a.sizes(),
        "one pool named default with all slots",
        "Named shares of the slots: name=size, separated by commas. Sizes add up to SLOTS.",
        derive=lambda above: MappingProxyType({"default": above["slots"]}),
    )
    pools_file: Path = setting(
        a.path(),
        "pools.yaml",
        "A worker's pools, in place of POOLS: size, isolation, profile, proxy and more of each. "
        "Optional; options are reloaded when it changes.",
    )
    queue_limit: int = setting(
        a.integer(0, 1_000_000), "1000", "Callers that may wait for a slot; further ones get 503."
    )
    max_wait_s: float = setting(
        a.seconds(0, DAY_S),
        "30",
        "Longest wait of a sync or stream task for a slot, unless it sets `wait_s`.",
        unit="seconds",
    )
    default_timeout_s: float = setting(
        a.seconds(0.1, DAY_S),
        "30",
        "Time limit of one attempt, for functions that declare none.",
        unit="seconds",
    )
    priority_ageing_s: float = setting(
        a.seconds(0, DAY_S),
        "30",
        "Ageing: waiting this long is worth one step of priority.",
        unit="seconds",
    )
    drain_s: float = setting(
        a.seconds(0, DAY_S),
        "60",
        "Time that running tasks have to finish after SIGTERM or /drain.",
        unit="seconds",
    )
    history_limit: int = setting(
        a.integer(0, 1_000_000), "10000", "Finished tasks kept in memory; the oldest are evicted."
    )
    history_ttl_s: float = setting(
        a.seconds(0, 365 * DAY_S),
        "3600",
        "Time for which a finished task is kept in memory.",
        unit="seconds",
    )
    database_url: str | None = setting(
        a.optional(a.text("postgresql://user:password@host/name", a.DATABASE)),
        "a SQLite file in DATA_DIR",
        "Database of durable tasks; nodes that share one take over from each other.",
        derive=lambda above: None,
        secret=True,
        heading="Durable tasks and webhooks",
    )
    durable_limit: int = setting(
        a.integer(0, 100_000_000), "100000", "Durable tasks that may wait; further ones get 503."
    )
    retention_days: float = setting(
        a.seconds(0.001, 36500),
        "7",
        "Time for which finished durable tasks, their events and files are kept.",
        unit="days",
    )
    retention_bytes: int | None = setting(
        a.optional(a.size_bytes(1024, 2**50)),
        "no bound",
        "Size of finished durable tasks, their events and files, above which the oldest are "
        "deleted.",
        unit="b, kb, mb, gb",
        derive=lambda above: None,
    )
    artifacts_url: str | None = setting(
        a.optional(a.text("a folder, or s3://bucket/prefix", a.STORAGE)),
        "DATA_DIR/artifacts of each node",
        "Where files of durable tasks are kept, for all nodes: a folder that all of them see, or "
        "s3://bucket/prefix (needs the extra slotgrid[s3]; AWS_* in the environment).",
        derive=lambda above: None,
    )
    artifact_limit_bytes: int = setting(
        a.size_bytes(1024, 2**50),
        "100mb",
        "Largest file that a task saves, also a file that its page downloads.",
        unit="b, kb, mb, gb",
        env="ARTIFACT_LIMIT",
    )
    task_artifacts_limit_bytes: int = setting(
        a.size_bytes(1024, 2**50),
        "1gb",
        "Size of all files of one task together. A balancer copies the files of durable tasks: "
        "set both limits there to those of its workers.",
        unit="b, kb, mb, gb",
        env="TASK_ARTIFACTS_LIMIT",
    )
    webhook_secret: str | None = setting(
        a.optional(a.text("whsec_ and base64, or any text", a.KEY)),
        "made at first start, kept in the database",
        "Secret that signs webhooks without a secret of their own.",
        derive=lambda above: None,
        secret=True,
    )
    webhook_headers: Mapping[str, str] = setting(
        a.headers(), "{}", "Headers of every webhook, as a JSON object.", secret=True
    )
    webhook_retries: int = setting(
        a.integer(0, 100),
        "8",
        "Retries of a webhook after its first attempt; 8 take at most 13.6 hours.",
    )
    webhook_timeout_s: float = setting(
        a.seconds(0.1, 3600), "15", "Time limit of one attempt at a webhook.", unit="seconds"
    )
    allowed_private_networks: str = setting(
        a.text("networks, addresses and host names, separated by commas"),
        "",
        "Private addresses that pages, webhooks and proxies may reach: CIDRs and host names.",
    )
    loop_stall_s: float = setting(
        a.seconds(0.5, 600),
        "5",
        "A function that blocks the event loop this long is named in the log; after three "
        "times that the process ends.",
        unit="seconds",
    )

    browser: BrowserKind = setting(
        a.choice(BrowserKind),
        "chromium-headless-shell",
        "Which Chromium: chromium-headless-shell (fast) or chromium (the full browser).",
        heading="Browsers",
    )
    headless: bool = setting(
        a.boolean(), "true", "false shows windows; needs BROWSER=chromium and a display."
    )
    chromium_path: Path | None = setting(
        a.optional(a.path()),
        "the first one found",
        "Chromium's executable.",
        derive=lambda above: None,
    )
    browser_sandbox: Sandbox = setting(
        a.choice(Sandbox),
        "auto",
        "Chromium's sandbox: on, off, or auto (where the machine allows it).",
    )
    browsers: int = setting(
        a.integer(1, 250),
        "one for each 4 slots",
        "Browser processes that share the slots.",
        derive=lambda above: math.ceil(above["slots"] / SLOTS_PER_BROWSER),
    )
    browser_max_tasks: int = setting(
        a.integer(1, 10_000_000), "500", "Tasks after which a browser is recycled."
    )
    browser_max_memory_mb: int = setting(
        a.integer(100, 1_000_000),
        "1500",
        "Memory of a browser's process tree above which it is recycled.",
        unit="MiB",
    )
    traffic_guard: bool = setting(
        a.boolean(), "true", "false lets pages reach every address that this machine can reach."
    )
    proxy_resolver: ProxyResolver = setting(
        a.choice(ProxyResolver),
        "guard",
        "Who resolves names behind an upstream proxy (HTTP_PROXY, HTTPS_PROXY, a task's own): "
        "guard (each address is checked) or proxy (where only the proxy knows names).",
    )
    traffic_limit: int | None = setting(
        a.optional(a.size_bytes(1, 2**50)),
        "none",
        "Bytes that a task's pages may move over the network, both directions together; then the "
        "task fails.",
        derive=lambda above: None,
    )
    memory_limit_percent: int = setting(
        a.integer(1, 100),
        "90",
        "Share of the machine's or container's memory above which no task starts.",
        unit="percent",
    )

    log_level: LogLevel = setting(
        a.choice(LogLevel, also={"warn": LogLevel.WARNING}),
        "info",
        "Lowest level written: debug, info, warning, error.",
        heading="Logs",
    )
    log_format: LogFormat = setting(
        a.choice(LogFormat), "auto", "json, console, or auto (console in a terminal)."
    )
    max_logs: int = setting(a.integer(1, 1_000_000), "1000", "Lines that /logs keeps in memory.")
    #: For the log, one sentence for each setting read under another name, and for each ignored.
    notices: tuple[str, ...] = ()
    #: The names of the variables that were given, as far as they are settings.
    given: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str],
        *,
        defaults: Mapping[str, str] = NO_DEFAULTS,
        kind: NodeKind = NodeKind.WORKER,
    ) -> "Settings":
        """Read all settings; unknown names are ignored.

        `defaults`, under the same names, override the defaults declared above. `kind`, the kind of
        the node, decides the meaning of a few names of other systems.
        Raises SettingsError with every fault at once.
        """
        ours = respelled(environ, kind)
        values, problems = read_table(TABLE, ours.given, defaults, given_as=ours.given_as)
        given = frozenset(row.env for row in TABLE.values() if ours.given.get(row.env, "").strip())
        settings = cls(**values, notices=ours.notices, given=given)
        problems += browser_faults(
            slots=settings.slots,
            pools=settings.pools,
            browsers=settings.browsers,
            browser=settings.browser,
            headless=settings.headless,
        )
        keys = {"AUTH_KEY": settings.auth_key}
        if settings.balancer_key:
            keys["BALANCER_KEY"] = settings.balancer_key
        problems += key_faults(settings.host, keys)
        if problems:
            raise SettingsError(tuple(problems))
        return settings

    def secrets(self) -> Iterator[str]:
        """Values that no log may show: keys, the database's password, secret webhook headers."""
        yield self.auth_key
        if self.balancer_key:
            yield self.balancer_key
        if self.webhook_secret is not None:
            yield self.webhook_secret
        if self.database_url is not None and (password := urlsplit(self.database_url).password):
            yield password
            yield unquote(password)
        for name, value in self.webhook_headers.items():
            if is_secret_name(name):
                yield value

    @property
    def link_key(self) -> str:
        """The key that a worker and a balancer authenticate with on their link."""
        return self.balancer_key or self.auth_key

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the node's port."""
        return not is_loopback(self.host)


#: Field name -> its row, in the order of declaration.
TABLE = table_of(Settings)
