"""Settings as the systems spell them that Slotgrid takes over from."""

import pytest

from slotgrid.runtime.setting_aliases import SPELLINGS, THEIR_KEYS, NodeKind
from slotgrid.runtime.settings import TABLE, Settings, SettingsError

WORKER, BALANCER = NodeKind.WORKER, NodeKind.BALANCER
KEY = "the-key-of-the-balancer"


def test_a_timeout_in_milliseconds_is_read_with_a_notice() -> None:
    settings = Settings.from_env({"DEFAULT_TIMEOUT": "1500", "WEBHOOK_TIMEOUT": "5000"})
    assert (settings.default_timeout_s, settings.webhook_timeout_s) == (1.5, 5)
    assert settings.notices == (
        "DEFAULT_TIMEOUT=1500 (milliseconds) was read as DEFAULT_TIMEOUT_S=1.5",
        "WEBHOOK_TIMEOUT=5000 (milliseconds) was read as WEBHOOK_TIMEOUT_S=5",
    )


def test_our_own_spelling_wins() -> None:
    settings = Settings.from_env({"DEFAULT_TIMEOUT": "1500", "DEFAULT_TIMEOUT_S": "7"})
    assert settings.default_timeout_s == 7
    assert settings.notices == ()


def test_an_empty_value_of_ours_is_not_given() -> None:
    # As in a copy of .env.example, which has the keys as empty lines.
    env = {"AUTH_KEY": "", "BALANCER_KEY": " ", "LB_AUTH_KEY": KEY}
    assert Settings.from_env(env).balancer_key == KEY


def test_the_key_of_the_other_balancer_is_that_of_the_link_at_a_worker() -> None:
    settings = Settings.from_env({"LB_AUTH_KEY": KEY, "AUTH_KEY": "of-the-worker"}, kind=WORKER)
    assert (settings.auth_key, settings.link_key) == ("of-the-worker", KEY)
    assert settings.notices == ("LB_AUTH_KEY was read as BALANCER_KEY",)
    assert KEY in {*settings.secrets()}


def test_the_key_of_the_other_balancer_is_that_of_callers_at_a_balancer() -> None:
    settings = Settings.from_env({"LB_AUTH_KEY": KEY}, kind=BALANCER)
    assert (settings.auth_key, settings.link_key) == (KEY, KEY)
    assert settings.notices[0] == "LB_AUTH_KEY was read as AUTH_KEY"


def test_one_file_for_both_nodes_gives_both_the_same_key_of_the_link() -> None:
    env = {"AUTH_KEY": "of-callers", "LB_AUTH_KEY": KEY}
    balancer, worker = (Settings.from_env(env, kind=kind) for kind in (BALANCER, WORKER))
    assert balancer.auth_key == worker.auth_key == "of-callers"
    assert balancer.link_key == worker.link_key == KEY
    own = Settings.from_env({**env, "BALANCER_KEY": "of-the-link"}, kind=BALANCER)
    assert own.link_key == "of-the-link"


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("WEBHOOK_MAX_RETRIES", "3", "webhook_retries", 3),
        ("WEBTASKS_HOST", "127.0.0.2", "host", "127.0.0.2"),
        ("WEBTASKS_PORT", "8765", "port", 8765),
        ("WEBTASKS_HEADLESS", "true", "headless", True),
        ("STROEM__WORKER_NAME", "runner-1", "node_name", "runner-1"),
        ("STROEM__WORKER_TOKEN", "a-token", "balancer_key", "a-token"),
        ("STROEM__MAX_CONCURRENT", "4", "slots", 4),
        ("HEADLESS_DEFAULT", "true", "headless", True),
        ("TASKS_MAX_QUEUE_SIZE", "100", "queue_limit", 100),
        ("CONCURRENT", "5", "slots", 5),
        ("MAX_CONCURRENT_SESSIONS", "6", "slots", 6),
        ("QUEUED", "7", "queue_limit", 7),
        ("MAX_QUEUE_LENGTH", "8", "queue_limit", 8),
        ("CONNECTION_TIMEOUT", "60000", "default_timeout_s", 60),
        ("MAX_MEMORY_PERCENT", "80", "memory_limit_percent", 80),
        ("ENABLE_CORS", "true", "cors_enabled", True),
        ("CORS_ALLOW_ORIGIN", "https://a.example", "cors_origins", ("https://a.example",)),
        ("SE_NODE_MAX_SESSIONS", "9", "slots", 9),
        ("SE_SESSION_REQUEST_TIMEOUT", "300", "max_wait_s", 300),
        ("SE_REGISTRATION_SECRET", "secret-1", "balancer_key", "secret-1"),
        ("SE_SUB_PATH", "/grid", "root_path", "/grid"),
    ],
)
def test_a_name_of_another_system_is_read_with_a_notice(
    name: str, value: str, field: str, read: object
) -> None:
    settings = Settings.from_env({name: value})
    assert getattr(settings, field) == read
    (notice,) = settings.notices
    assert notice.startswith(name)
    assert " was read as " in notice
    assert (value in notice) == (name not in THEIR_KEYS)


def test_of_two_names_for_one_setting_the_first_in_the_list_counts() -> None:
    settings = Settings.from_env({"SE_NODE_MAX_SESSIONS": "9", "CONCURRENT": "5"})
    assert (settings.slots, len(settings.notices)) == (5, 1)


def test_a_fault_names_the_variable_that_was_given() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CONNECTION_TIMEOUT": "-1", "LB_AUTH_KEY": "two words"})
    assert caught.value.problems == (
        "BALANCER_KEY: a value was given as LB_AUTH_KEY, expected printable ASCII without spaces",
        "DEFAULT_TIMEOUT_S: '-1' was given as CONNECTION_TIMEOUT, expected seconds from 0.1 to"
        " 86400",
    )


def test_every_name_leads_to_a_setting_and_every_key_is_known_as_one() -> None:
    rows = {row.env: row for row in TABLE.values()}
    assert {spelling.ours for spelling in SPELLINGS} <= rows.keys()
    assert {spelling.theirs for spelling in SPELLINGS} & rows.keys() == set()
    secret = {spelling.theirs for spelling in SPELLINGS if rows[spelling.ours].secret}
    assert secret == THEIR_KEYS
