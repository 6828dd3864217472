"""The files of `deploy/`, as data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def documents(file: Path) -> list[Any]:
    """The documents of a YAML file, merges and anchors resolved."""
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def document(file: Path) -> Any:
    """The only document of a YAML file."""
    (only,) = documents(file)
    return only


def resources(*kinds: str) -> list[Any]:
    """The resources of Kubernetes of these kinds; without any, all of them."""
    found = [resource for file in KUBERNETES for resource in documents(file)]
    return [resource for resource in found if not kinds or resource["kind"] in kinds]


def resource(kind: str, name: str) -> Any:
    """One resource of Kubernetes."""
    (only,) = [found for found in resources(kind) if found["metadata"]["name"] == name]
    return only


def workloads() -> list[Any]:
    """What has pods: the balancers and the workers."""
    found = resources("Deployment", "StatefulSet")
    assert {it["metadata"]["name"] for it in found} == {"balancer", "worker"}
    return found


def container(workload: Any) -> Any:
    """The only container of a workload."""
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return only


def environment(workload: Any) -> dict[str, str | None]:
    """What a container is given by name; None where a Secret or the pod says it."""
    return {entry["name"]: entry.get("value") for entry in container(workload)["env"]}


def services() -> dict[str, Any]:
    """Our own nodes in the compose file, by name."""
    listed = document(DEPLOY / "compose.yaml")["services"]
    return {name: listed[name] for name in ("balancer", "worker")}


def unit(file: Path) -> dict[str, list[str]]:
    """The directives of a unit of systemd, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, sign, value = line.partition("=")
            assert sign, line
            found.setdefault(name, []).append(value)
    return found


def unit_environment(file: Path) -> dict[str, str]:
    """What a unit sets for its node."""
    pairs = [pair for line in unit(file)["Environment"] for pair in line.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def texts() -> Iterator[tuple[str, str]]:
    """Every file by its name below `deploy/`, with its text."""
    for file in sorted(DEPLOY.rglob("*")):
        if file.is_file() and file.name != ".env":
            yield str(file.relative_to(DEPLOY)), file.read_text(encoding="utf-8")
