"""`deploy/` speaks of settings, ports, routes, metrics and words that the nodes really have."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from balancer.api.routes import balancer_routes
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.errors import problem_types
from slotgrid.core.task_states import TaskState
from slotgrid.intake.app import routes
from slotgrid.runtime.settings import BALANCER_DEFAULTS, TABLE, Settings
from tests.deploy.files import (
    DEPLOY,
    ROOT,
    UNITS,
    container,
    document,
    environment,
    resource,
    resources,
    services,
    texts,
    unit,
    unit_environment,
    workloads,
)
from tests.docs.tables import metrics_table
from worker.browser.browser_states import Ending

SETTINGS = {row.env for row in TABLE.values()}
PORTS = {
    "worker": Settings.from_env({}).port,
    "balancer": Settings.from_env({}, defaults=BALANCER_DEFAULTS).port,
}
KEY = "3f1e5a60c2b94d78"
TO_CLOSE_S = 10
"""After its drain a node ends browsers and connections."""


def environments() -> Iterator[tuple[str, dict[str, str]]]:
    """What each shipped way to start a node gives it; a Secret's values are made up."""
    secret = {
        "AUTH_KEY": KEY,
        "BALANCER_KEY": KEY,
        "DATABASE_URL": "postgresql://slotgrid:made-up@postgres/slotgrid",
        "NODE_NAME": "pod-0",
    }
    for workload in workloads():
        given = environment(workload).items()
        yield (
            f"kubernetes {workload['metadata']['name']}",
            {name: secret[name] if value is None else value for name, value in given},
        )
    for name, service in services().items():
        # `${NAME:?what to do}` is what the person who starts it has set.
        filled = {
            key: re.sub(r"\$\{\w+(:\?[^}]*)?\}", KEY, str(value))
            for key, value in service["environment"].items()
        }
        yield f"compose {name}", filled
    for file in UNITS:
        written = unit_environment(file)
        named = {key: value.replace("%H", "host") for key, value in written.items()}
        yield file.name, {key: value.replace("%i", "3000") for key, value in named.items()}


def routed() -> set[str]:
    """The paths of both nodes that are answered to a GET."""
    return {route.path for route in [*routes(), *balancer_routes()] if _is_get(route)}


def _is_get(route: web.RouteDef) -> bool:
    return route.method == "GET"


@pytest.mark.parametrize(("way", "given"), list(environments()), ids=lambda value: str(value)[:30])
def test_what_a_node_is_given_are_settings_with_which_it_starts(
    way: str, given: dict[str, str]
) -> None:
    assert given.keys() <= SETTINGS, way
    # The image listens on every address of its container.
    host = {} if way.endswith(".service") else {"HOST": "0.0.0.0"}
    settings = Settings.from_env({**host, **given})
    assert settings.notices == ()
    assert settings.port == PORTS["balancer" if "balancer" in way else "worker"]


def test_every_setting_that_a_text_of_deploy_speaks_of_exists() -> None:
    others = {"POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "SIGTERM", "SIGKILL", "PASSWORD"}
    # In comments and prose too: a name in capitals with an underscore, or set with a sign.
    spoken = {
        (file, name)
        for file, text in texts()
        for name in re.findall(r"\b([A-Z]{2,}(?:_[A-Z]+)+)\b", text)
        if name not in others and not name.startswith(("AF_", "CLONE_", "CAP_"))
    }
    assert {name for _, name in spoken} >= {"AUTH_KEY", "DRAIN_S", "ROOT_PATH", "TRUSTED_PROXIES"}
    assert {(file, name) for file, name in spoken if name not in SETTINGS} == set()


@pytest.mark.parametrize("workload", workloads(), ids=lambda it: it["metadata"]["name"])
def test_probes_and_scrapes_ask_for_what_the_node_answers_where_it_listens(workload: Any) -> None:
    name, pod = workload["metadata"]["name"], workload["spec"]["template"]
    node = container(workload)
    (port,) = node["ports"]
    assert port == {"name": "http", "containerPort": PORTS[name]}
    asked = {kind: node[kind]["httpGet"] for kind in node if kind.endswith("Probe")}
    assert {kind: probe["path"] for kind, probe in asked.items()} == {
        "startupProbe": "/livez",
        "readinessProbe": "/readyz",
        "livenessProbe": "/livez",
    }
    notes = pod["metadata"]["annotations"]
    assert notes["prometheus.io/port"] == str(PORTS[name])
    paths = {probe["path"] for probe in asked.values()} | {notes["prometheus.io/path"]}
    assert paths <= routed()
    assert {probe["port"] for probe in asked.values()} == {port["name"]}
    # Prometheus shows no key by those annotations.
    assert environment(workload)["METRICS_PUBLIC"] == "true"


def test_the_proxies_look_at_readiness_where_it_is_answered() -> None:
    caddy = (DEPLOY / "proxies/Caddyfile").read_text(encoding="utf-8")
    traefik = document(DEPLOY / "proxies/traefik.yaml")["http"]["services"]["slotgrid"]
    looked_at = [
        *re.findall(r"health_uri (\S+)", caddy),
        traefik["loadBalancer"]["healthCheck"]["path"],
    ]
    assert looked_at == ["/readyz", "/readyz"]
    assert "/readyz" in routed()


def test_every_way_to_a_node_leads_to_the_port_of_its_kind() -> None:
    for service in resources("Service"):
        (port,) = service["spec"]["ports"]
        assert port["port"] == PORTS["balancer"]
        assert service["spec"]["selector"]["app.kubernetes.io/component"] == "balancer"
    for name in ("nginx.conf", "Caddyfile", "traefik.yaml"):
        text = (DEPLOY / "proxies" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", text)) == {str(PORTS["balancer"])}
    for policy in resources("NetworkPolicy"):
        let_in = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
        assert let_in == [PORTS[policy["metadata"]["name"]]]
    assert services()["balancer"]["ports"] == ["127.0.0.1:{0}:{0}".format(PORTS["balancer"])]


def test_workers_dial_each_balancer_by_its_own_name() -> None:
    balancers = resource("StatefulSet", "balancer")
    headless = resource("Service", balancers["spec"]["serviceName"])
    assert headless["spec"]["clusterIP"] == "None"
    assert headless["spec"]["publishNotReadyAddresses"] is True
    dialled = environment(resource("Deployment", "worker"))["BALANCER_URL"]
    assert dialled is not None
    assert dialled.split(",") == [
        f"http://balancer-{number}.{headless['metadata']['name']}:{PORTS['balancer']}"
        for number in range(balancers["spec"]["replicas"])
    ]
    assert services()["worker"]["environment"]["BALANCER_URL"] == "http://balancer:4000"


def test_selectors_select_the_pods_that_are_there() -> None:
    pods = {
        it["metadata"]["name"]: it["spec"]["template"]["metadata"]["labels"] for it in workloads()
    }
    for workload in workloads():
        assert workload["spec"]["selector"]["matchLabels"] == pods[workload["metadata"]["name"]]
    for budget in resources("PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"] == pods[budget["metadata"]["name"]]
    for policy in resources("NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"] == pods[policy["metadata"]["name"]]


def test_whoever_stops_a_node_waits_longer_than_it_drains() -> None:
    for workload in workloads():
        hooks = container(workload).get("lifecycle", {})
        pause_s = int(hooks["preStop"]["exec"]["command"][1]) if hooks else 0
        drain_s = float(environment(workload)["DRAIN_S"] or "nan")
        grace_s = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace_s >= pause_s + drain_s + TO_CLOSE_S
    for service in services().values():
        assert int(service["stop_grace_period"].removesuffix("s")) >= 60 + TO_CLOSE_S
        assert service["environment"]["DRAIN_S"] == "60"
    for file in UNITS:
        (stop_s,) = unit(file)["TimeoutStopSec"]
        assert int(stop_s) >= Settings.from_env({}).drain_s + TO_CLOSE_S


def test_the_image_is_that_of_this_version_and_its_user_the_one_of_the_dockerfile() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    (image,) = document(DEPLOY / "kubernetes/kustomization.yaml")["images"]
    assert image["newTag"] == version[1]
    assert {it["image"] for it in services().values()} == {f"slotgrid:{version[1]}"}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    assert user is not None
    for workload in workloads():
        assert container(workload)["image"] == image["name"]
        assert container(workload)["args"][-1] == workload["metadata"]["name"]
        security = workload["spec"]["template"]["spec"]["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))


def exported() -> dict[str, set[str]]:
    """The names under which samples are exported, each with the names of its labels."""
    found: dict[str, set[str]] = {}
    for row in metrics_table()[2:]:
        cells = re.match(r"\| `(\w+)(?:\{(.+)\})?` \| (\w+) ", row)
        assert cells is not None, row
        labels = set(filter(None, (cells[2] or "").split(",")))
        if cells[3] == "histogram":
            found |= {f"{cells[1]}_{part}": labels for part in ("count", "sum")}
            found[f"{cells[1]}_bucket"] = labels | {"le"}
        else:
            found[cells[1]] = labels
    return found


def queries() -> list[str]:
    """Every query that `deploy/` has somebody ask."""
    groups = document(DEPLOY / "prometheus/alerts.yaml")["groups"]
    asked = [rule["expr"] for group in groups for rule in group["rules"]]
    scaled = resource("ScaledObject", "worker")["spec"]["triggers"]
    return asked + [trigger["metadata"]["query"] for trigger in scaled]


def test_every_metric_and_label_that_is_asked_for_is_exported() -> None:
    words = {
        ("slotgrid_workers", "state"): {*WorkerState},
        ("slotgrid_slots", "state"): {"free", "busy"},
        ("slotgrid_tasks_total", "outcome"): {*TaskState},
        ("slotgrid_refused_total", "reason"): {*problem_types()},
        ("slotgrid_deliveries_total", "outcome"): {"delivered", "retry", "failed"},
        ("slotgrid_browser_restarts_total", "reason"): {*Ending},
    }
    names = exported()
    seen = set()
    for query in queries():
        for name, matchers in re.findall(r"\b(slotgrid_\w+)(?:\{([^}]*)\})?", query):
            seen.add(name)
            assert name in names, query
            for label, values in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers):
                assert label in names[name], query
                assert set(values.split("|")) <= words[name, label], query
    assert {"slotgrid_queue_length", "slotgrid_slots", "slotgrid_wait_seconds_bucket"} <= seen


def test_a_worker_more_is_wanted_before_all_slots_of_the_others_are_taken() -> None:
    (trigger,) = resource("ScaledObject", "worker")["spec"]["triggers"]
    slots = environment(resource("Deployment", "worker"))["SLOTS"]
    assert slots is not None
    assert 0 < int(trigger["metadata"]["threshold"]) < int(slots)
