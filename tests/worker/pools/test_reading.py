"""Reading `pools.yaml`: what it gives, and what is said of a bad one."""

from pathlib import Path

import pytest

from worker.pools.pool import BasicAuth, Pool, PoolProxy
from worker.pools.reading import PoolsFault, read_pools

GOOD = b"""\
default:
  size: 4
  context_options:
    viewport: {width: 1280, height: 900}
    locale: de-DE
logins:
  size: 2
  isolation: persistent
  profile: /srv/profiles
  setup: accounts/log_in
  queue_limit: 5
  user_agent: Robot/1.0
  ignore_tls_errors: true
  basic_auth: {username: ann, password_secret: SITE_PASSWORD, origin: "https://a.example"}
  proxy: {server: "http://proxy.example:3128", username: ann, password_secret: P, bypass: [b.c]}
plain: {size: 1, proxy: "socks5://ann:sesame@proxy.example"}
"""


def test_a_file_gives_its_pools() -> None:
    pools = read_pools(GOOD)
    assert list(pools) == ["default", "logins", "plain"]
    assert pools["default"] == Pool(
        name="default",
        size=4,
        context_options={"viewport": {"width": 1280, "height": 900}, "locale": "de-DE"},
    )
    assert pools["logins"] == Pool(
        name="logins",
        size=2,
        isolation="persistent",
        profile=Path("/srv/profiles"),
        setup="accounts/log_in",
        queue_limit=5,
        user_agent="Robot/1.0",
        ignore_tls_errors=True,
        basic_auth=BasicAuth(username="ann", secret="SITE_PASSWORD", origin="https://a.example"),
        proxy=PoolProxy(
            server="http://proxy.example:3128", username="ann", secret="P", bypass=("b.c",)
        ),
    )
    assert pools["plain"].proxy == PoolProxy(server="socks5://ann:sesame@proxy.example")
    assert "sesame" not in repr(pools)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: expected pools by their names"),
        ("[a, b]", "line 1: expected pools by their names"),
        ("a: {size: 1", "line 2: not YAML"),
        ("a: 3", "line 1: a: expected the pool's keys, at least `size`"),
        ("a b: {size: 1}", "line 1: a b: a pool's name has letters"),
        ("a:\n  sizes: 1", "line 2: a.sizes: there is no such key; did you mean `size`?"),
        ("a: {isolation: context}", "line 1: a: "),
        ("a:\n  size: 0", "line 2: a.size: "),
        ("a:\n  size: two", "line 2: a.size: "),
        ("a: {size: 1}\na: {size: 2}", "line 2: "),
        (
            "a: {size: 1, isolation: persist}",
            "a.isolation: `persist` is unknown; did you mean `persistent`?",
        ),
        ("a: {size: 1, isolation: reset}", "a.isolation: `reset` is not available yet"),
        ("a: {size: 1, profile: /x}", "a.profile: only a pool with `isolation: persistent`"),
        ("a: {size: 1, setup: x}", "a.setup: only a pool with `isolation: persistent`"),
        (
            "a:\n  size: 1\n  context_options:\n    locales: de",
            "line 4: a.context_options.locales: there is no such key; did you mean `locale`?",
        ),
        ("a: {size: 1, context_options: {viewport: {width: 3}}}", "a.context_options.viewport: "),
        ("a: {size: 1, context_options: {viewport: {widths: 3, width: 3, height: 3}}}", "widths"),
        ("a: {size: 1, context_options: {offline: maybe}}", "a.context_options.offline: "),
        ("a: {size: 1, context_options: {user_agent: x}}", "use the pool's own `user_agent`"),
        ("a: {size: 1, context_options: {record_video_dir: x}}", "contexts cannot record"),
        ("a: {size: 1, proxy: 3}", "a.proxy: expected the proxy's URL, or an object"),
        ("a: {size: 1, proxy: 'ftp://x'}", "a.proxy: a proxy is http, https or socks5"),
        ("a: {size: 1, proxy: {server: 'http://x', user: a}}", "a.proxy.user: "),
        ("a: {size: 1, proxy: {server: 'http://x', password_secret: P}}", "needs a `username`"),
        ("a: {size: 1, basic_auth: {username: x}}", "a.basic_auth: "),
        ("a: {size: 1, basic_auth: {username: x, password: y}}", "did you mean `password_secret`?"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_key(text: str, fault: str) -> None:
    with pytest.raises(PoolsFault) as caught:
        read_pools(text.encode())
    assert fault in "\n".join(caught.value.faults)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(PoolsFault) as caught:
        read_pools(b"a: {size: 0}\nb: {size: 1, colour: red}\n")
    assert len(caught.value.faults) == 2


def test_a_password_is_in_no_fault() -> None:
    with pytest.raises(PoolsFault) as caught:
        read_pools(b"a: {size: 1, proxy: {server: 'http://ann:sesame@x', password_secret: P}}")
    assert "sesame" not in str(caught.value)
