from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from pathlib import Path

import pytest

from balancer.fleet.message_limits import NAME_CHARS, check_entries
from slotgrid.runtime.env_example import env_example
from slotgrid.runtime.setting_choices import BrowserKind, LogFormat, LogLevel
from slotgrid.runtime.settings import TABLE, Settings, SettingsError
from slotgrid.wire.limits import ENTRIES_BYTES, ENTRIES_LIMIT

STRONG_KEY = "pL8x-Qm2v_Zt7RwYb3Nc"
ROOT = Path(__file__).parents[3]


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    return list(caught.value.problems)


def test_nothing_given_is_a_worker_on_loopback() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.slots) == ("127.0.0.1", 3000, 10)
    assert settings.request_body_limit_bytes == 10 * 1024 * 1024
    assert settings.browser is BrowserKind.SHELL
    assert settings.notices == ()
    assert not settings.is_public


def test_labels_and_pools_at_their_bounds_are_taken_by_a_balancer() -> None:
    spare = ENTRIES_BYTES - len('{"zone":""}') - 100
    for labels in (
        {f"label{n}": "x" for n in range(ENTRIES_LIMIT)},
        {"zone": "é" * (spare // 2)},
    ):
        text = ",".join(f"{name}={value}" for name, value in labels.items())
        settings = Settings.from_env({"LABELS": text})
        assert dict(settings.labels) == labels
        check_entries("labels", settings.labels)
    pools = ",".join(f"pool{n}=1" for n in range(ENTRIES_LIMIT))
    check_entries("pools", Settings.from_env({"POOLS": pools, "SLOTS": str(ENTRIES_LIMIT)}).pools)


def test_what_is_derived_follows_what_is_given() -> None:
    settings = Settings.from_env({"SLOTS": "9", "PORT": "3100"})
    assert dict(settings.pools) == {"default": 9}
    assert settings.browsers == 3
    assert settings.node_name.endswith("-3100")


def test_every_kind_of_value_is_read() -> None:
    settings = Settings.from_env(
        {
            "LABELS": "zone=eu, gpu=no",
            "POOLS": "fast=2,logins=1",
            "SLOTS": "3",
            "TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "CORS_ORIGINS": "https://a.example,http://localhost:5173",
            "REQUEST_BODY_LIMIT": "1.5mb",
            "MAX_WAIT_S": "0.5",
            "HEADLESS": "no",
            "BROWSER": "chromium",
            "LOG_LEVEL": "WARN",
            "LOG_FORMAT": "json",
            "CHROMIUM_PATH": "/opt/chromium",
        }
    )
    assert dict(settings.labels) == {"zone": "eu", "gpu": "no"}
    assert dict(settings.pools) == {"fast": 2, "logins": 1}
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.cors_origins == ("https://a.example", "http://localhost:5173")
    assert settings.request_body_limit_bytes == 1_572_864
    assert settings.max_wait_s == 0.5
    assert not settings.headless
    assert (settings.log_level, settings.log_format) == (LogLevel.WARNING, LogFormat.JSON)
    assert settings.chromium_path == Path("/opt/chromium")


def test_an_empty_value_means_the_default() -> None:
    assert Settings.from_env({"SLOTS": "", "CORS_ORIGINS": " "}) == Settings.from_env({})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.from_env({}).slots = 2  # type: ignore[misc]


def test_all_faults_are_told_at_once_one_line_each() -> None:
    problems = problems_of(SLOTS="many", PORT="70000", LOG_LEVEL="loud", REQUEST_BODY_LIMIT="big")
    assert problems == [
        "PORT: '70000' was given, expected a whole number from 0 to 65535",
        "REQUEST_BODY_LIMIT: 'big' was given, expected a size such as 512kb or 10mb",
        "SLOTS: 'many' was given, expected a whole number from 1 to 1000",
        "LOG_LEVEL: 'loud' was given, expected one of debug, info, warning, error",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NODE_NAME", "two words"),
        ("GROUP", "a/b"),
        ("ROOT_PATH", "/ends/"),
        ("LABELS", "zone"),
        ("LABELS", "zone=eu,zone=us"),
        ("LABELS", ",".join(f"label{n}=x" for n in range(ENTRIES_LIMIT + 1))),
        ("LABELS", f"zone={'é' * (ENTRIES_BYTES // 2)}"),
        ("LABELS", "zone=\udcff"),
        ("POOLS", ",".join(f"pool{n}=1" for n in range(ENTRIES_LIMIT + 1))),
        ("NODE_NAME", "n" * (NAME_CHARS + 1)),
        ("GROUP", "g" * (NAME_CHARS + 1)),
        ("POOLS", "fast=0"),
        ("MAX_WAIT_S", "nan"),
        ("MAX_WAIT_S", "-1"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "*,https://a.example"),
        ("OPENAPI_ENABLED", "perhaps"),
        ("BROWSER", "chromium-browser"),
        ("AUTH_KEY", "with a space"),
        ("DATA_DIR", "~nobody-of-this-name/data"),
        ("WEBHOOK_HEADERS", "[" * 100_000),
    ],
)
def test_a_value_that_is_not_expected_is_named_alone(name: str, value: str) -> None:
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"{name}: ")
    assert "expected" in problem


def test_names_that_are_not_ours_are_left_alone() -> None:
    environ = {"SLOTGRID_FUTURE": "1", "SLOT": "x", "PATH": "/bin"}
    assert Settings.from_env(environ) == Settings.from_env({})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "worker.internal"])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ("pL8x-Qm2v", "is short"),
        ("default-auth-key", "looks like a default"),
        ("CHANGE-ME-CHANGE-ME-CHANGE", "looks like a default"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "looks like a default"),
    ],
)
def test_a_public_bind_with_a_weak_key_is_refused_and_says_why(
    host: str, key: str, why: str
) -> None:
    (problem,) = problems_of(HOST=host, AUTH_KEY=key)
    assert problem.startswith(f"AUTH_KEY: HOST={host} can be reached from other machines")
    assert why in problem
    assert not key or key not in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_any_key_will_do(host: str) -> None:
    assert not Settings.from_env({"HOST": host}).is_public


def test_a_public_bind_with_a_strong_key_is_accepted() -> None:
    assert Settings.from_env({"HOST": "0.0.0.0", "AUTH_KEY": STRONG_KEY}).is_public


def test_a_key_is_never_shown() -> None:
    assert STRONG_KEY not in repr(Settings.from_env({"AUTH_KEY": STRONG_KEY}))
    (problem,) = problems_of(AUTH_KEY=f"{STRONG_KEY} ü")
    assert STRONG_KEY not in problem


def test_rules_between_settings_are_told() -> None:
    problems = problems_of(SLOTS="4", POOLS="a=2,b=1", BROWSERS="5", HEADLESS="false")
    assert [problem.partition(":")[0] for problem in problems] == ["POOLS", "BROWSERS", "HEADLESS"]


@pytest.mark.parametrize("browser", ["firefox", "/usr/bin/chromium", "xdg-open"])
def test_the_desktops_own_browser_variable_is_ignored_with_a_notice(browser: str) -> None:
    settings = Settings.from_env({"BROWSER": browser})
    assert settings.browser is BrowserKind.SHELL
    assert browser in settings.notices[0]


def test_the_shipped_example_is_what_the_settings_say() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_example_uncommented_is_the_defaults() -> None:
    lines = env_example().splitlines()
    given = {
        name.removeprefix("#"): value
        for name, separator, value in (line.partition("=") for line in lines)
        if separator and " " not in name
    }
    assert set(given) == {row.env for row in TABLE.values()}
    assert Settings.from_env(given) == Settings.from_env({})


def test_balancers_to_dial_are_urls_without_a_slash_at_their_end() -> None:
    given = "https://one.example/prefix/, http://127.0.0.1:4000"
    settings = Settings.from_env({"BALANCER_URL": given})
    assert settings.balancer_urls == ("https://one.example/prefix", "http://127.0.0.1:4000")
    for wrong in ("one.example", "ftp://one.example", "http://user@one.example", "http://a?b"):
        with pytest.raises(SettingsError, match="BALANCER_URL"):
            Settings.from_env({"BALANCER_URL": wrong})


def test_the_links_key_is_its_own_or_that_of_root() -> None:
    root = "a-key-that-is-long-enough-7Qm2"
    assert Settings.from_env({"AUTH_KEY": root}).link_key == root
    both = Settings.from_env({"AUTH_KEY": root, "BALANCER_KEY": "of-the-link"})
    assert both.link_key == "of-the-link"
    assert {root, "of-the-link"} <= {*both.secrets()}


def test_a_public_node_asks_for_a_strong_key_of_the_link_too() -> None:
    strong = "a-key-that-is-long-enough-7Qm2"
    env = {"HOST": "0.0.0.0", "AUTH_KEY": strong}
    assert Settings.from_env(env).is_public
    with pytest.raises(SettingsError, match="BALANCER_KEY"):
        Settings.from_env({**env, "BALANCER_KEY": "short"})
