"""The pools of a worker: how they start, how they follow their file, what they give tasks."""

from pathlib import Path
from typing import Any

import pytest

from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings, SettingsError
from tests.harness.in_process.worker import running_worker
from tests.harness.waiting import until
from tests.site.fixtures import Site
from tests.worker.pools.profiles import a_pools_file, function_text
from worker.browser.errors import BrowserUnavailable
from worker.pools.pools import Pools, shared_browsers
from worker.secrets.declared_secrets import DeclaredSecrets


def settings_with(file: Path, **env: object) -> Settings:
    return Settings.from_env({"POOLS_FILE": str(file), **{k: str(v) for k, v in env.items()}})


def pools_of(file: Path, **env: object) -> Pools:
    return Pools.of(settings_with(file, **env), DeclaredSecrets({}))


def problems_of(file: Path, **env: object) -> str:
    with pytest.raises(SettingsError) as caught:
        pools_of(file, **env)
    return "\n".join(caught.value.problems)


def test_without_a_file_the_pools_are_those_of_the_setting(tmp_path: Path) -> None:
    settings = Settings.from_env({"POOLS": "default=8,long=2"})
    pools = Pools.of(settings, DeclaredSecrets({}))
    assert pools.sizes == {"default": 8, "long": 2}
    assert pools.isolations == {"default": "context", "long": "context"}
    assert pools.detail()["fault"] is None


def test_the_setting_and_the_file_together_are_refused(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "default: {size: 2}")
    told = problems_of(file, SLOTS=2, POOLS="default=2")
    assert told == f"POOLS: is set although there is the file {file}; remove one of them"


def test_sizes_add_up_to_the_slots(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "a: {size: 2}\nb: {size: 3}")
    told = problems_of(file, SLOTS=6)
    assert told == f"{file}: the sizes add up to 5, expected SLOTS, which is 6"


def test_a_bad_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "a:\n  size: 2\n  isolations: persistent")
    told = problems_of(file, SLOTS=2)
    assert told == f"{file}, line 3: a.isolations: there is no such key; did you mean `isolation`?"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert "there is no file" in problems_of(tmp_path / "none.yaml")


def test_without_the_guard_a_login_at_a_socks_proxy_is_refused(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "a: {size: 1, proxy: 'socks5://ann:sesame@proxy'}")
    told = problems_of(file, SLOTS=1, TRAFFIC_GUARD="false")
    assert "a.proxy: Chromium itself cannot log in at a socks5 proxy" in told
    assert "sesame" not in told


def test_browsers_are_shared_by_the_slots_without_one_of_their_own(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "a: {size: 5}\nb: {size: 4, isolation: persistent}")
    for env, count in (({}, 2), ({"BROWSERS": 1}, 1), ({"BROWSERS": 9}, 5)):
        settings = settings_with(file, SLOTS=9, **env)
        assert shared_browsers(settings, Pools.of(settings, DeclaredSecrets({}))) == count


def test_options_follow_the_file_and_sizes_need_a_restart(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "a: {size: 1}\nb: {size: 1}")
    pools, changes = pools_of(file, SLOTS=2), list[frozenset[str]]()
    pools.on_change(changes.append)
    pools.look()
    assert changes == []

    a_pools_file(tmp_path, "a: {size: 1, user_agent: Robot}\nb: {size: 1}")
    pools.look()
    assert changes == [{"a"}]
    assert pools.browser("a").options == {"user_agent": "Robot"}

    a_pools_file(tmp_path, "a: {size: 3, user_agent: Robot}\nb: {size: 1, isolation: persistent}")
    pools.look()
    assert pools.sizes == {"a": 1, "b": 1}
    assert pools.isolations["b"] == "context"
    assert pools.detail()["restart"] == (
        "restart the worker: a.size was 1 and is 3; b.isolation was context and is persistent"
    )
    assert changes == [{"a"}]

    a_pools_file(tmp_path, "a: {size: 1, user_agent: [}")
    pools.look()
    assert "line 1" in pools.detail()["fault"]
    assert pools.browser("a").options == {"user_agent": "Robot"}

    file.unlink()
    pools.look()
    assert pools.detail()["fault"] == "the file is gone"

    a_pools_file(tmp_path, "a: {size: 1}\nb: {size: 1}")
    pools.look()
    assert pools.detail() == {"file": str(file), "fault": None, "restart": None}
    assert pools.browser("a").options == {}


def test_a_missing_secret_is_told_until_it_is_there(tmp_path: Path) -> None:
    file = a_pools_file(
        tmp_path, "a: {size: 1, basic_auth: {username: ann, password_secret: SITE_PASSWORD}}"
    )
    environment: dict[str, str] = {}
    redactor = Redactor()
    settings = settings_with(file, SLOTS=1)
    pools, changes = Pools.of(settings, DeclaredSecrets(environment), redactor), list[Any]()
    pools.on_change(changes.append)
    pools.look()
    assert "the pool a lacks the secret SITE_PASSWORD" in pools.detail()["fault"]
    with pytest.raises(BrowserUnavailable, match="SITE_PASSWORD"):
        pools.browser("a")

    environment["SITE_PASSWORD"] = "open sesame"
    pools.look()
    assert changes == [{"a"}]
    login = {"username": "ann", "password": "open sesame"}
    assert pools.browser("a").options == {"http_credentials": login}
    assert redactor.known.hide_text("it is open sesame") == "it is [redacted]"


async def test_a_task_gets_the_options_of_its_pool_and_its_own_before_them(
    tmp_path: Path, site: Site
) -> None:
    file = a_pools_file(
        tmp_path,
        "default: {size: 1}\nkept: {size: 1, user_agent: Robot, context_options: {locale: de-DE}}",
    )
    read = 'return await page.evaluate("[navigator.userAgent, navigator.language]")\n'
    own = function_text("own", f"    {read}").replace(
        'pool="kept"', 'pool="kept", context_options={"locale": "fr-FR"}'
    )
    functions = {"seen.py": function_text("seen", f"    {read}"), "own.py": own}
    async with running_worker(tmp_path, functions, POOLS_FILE=file) as worker:
        assert await worker.call("seen", url="") == ["Robot", "de-DE"]
        assert await worker.call("own", url="") == ["Robot", "fr-FR"]
        answer = await worker.submit("seen", input={"url": ""}, place={"pool": "default"})
        assert answer.json["result"][1] != "de-DE"

        a_pools_file(tmp_path, "default: {size: 1}\nkept: {size: 1, user_agent: Other}")
        await until(lambda: worker.worker.pools.current("kept").user_agent == "Other")
        assert (await worker.call("seen", url=""))[0] == "Other"
        assert (await worker.get("/health"))["pools_file"]["fault"] is None


async def test_a_stated_isolation_must_be_that_of_the_pool(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, "default: {size: 1}\nkept: {size: 1, isolation: persistent}")
    text = "from slotgrid.function import function\n\n\n@function({})\nasync def f(context): pass\n"
    functions = {
        "takes.py": text.format("pool='kept'"),
        "states.py": text.format("pool='default', isolation='context'"),
        "wrong.py": text.format("pool='kept', isolation='context'"),
    }
    async with running_worker(tmp_path, functions, POOLS_FILE=file) as worker:
        listed = (await worker.get("/functions"))["functions"]
        given = {one["name"]: one["isolation"] for one in listed}
        assert given["takes"] == "persistent"
        assert given["states"] == "context"
        (broken,) = (await worker.get("/health"))["broken"]
        assert broken["path"] == "wrong.py"
        assert (
            "isolation `context` is stated, but the pool `kept` is of isolation `persistent`"
            in (broken["error"])
        )
        answer = await worker.submit("states", input={}, place={"pool": "kept"})
        assert answer.status == 400
        assert answer.json["error"] == (
            '/place/pool: the function "states" states the isolation context, '
            'but the pool "kept" is of isolation persistent'
        )
        assert (await worker.submit("takes", input={}, place={"pool": "default"})).status == 200
