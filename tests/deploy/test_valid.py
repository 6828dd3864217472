"""Every file of `deploy/` is what its reader takes: by schema, or by the reader itself."""

import configparser
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest

from tests.deploy.files import DEPLOY, KUBERNETES, UNITS, document, documents, resource, unit

OLDEST_KUBERNETES = "1.29"
NEWEST_KUBERNETES = "1.37"
WITHOUT_SCHEMA = {"Kustomization", "ScaledObject"}
"""Kinds that do not belong to Kubernetes itself; further below they are checked by hand."""


def rules() -> list[Any]:
    (group,) = document(DEPLOY / "prometheus/alerts.yaml")["groups"]
    return list(group["rules"])


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, NEWEST_KUBERNETES])
@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_a_manifest_fulfils_the_schema_of_kubernetes(file: Path, version: str) -> None:
    for it in documents(file):
        if it["kind"] not in WITHOUT_SCHEMA:
            assert kubernetes_validate.validate(it, version, strict=True) == version


def test_the_kustomization_names_every_manifest_that_any_cluster_takes() -> None:
    listed = document(DEPLOY / "kubernetes/kustomization.yaml")
    apart = {"kustomization.yaml", "keda.yaml", "secret.example.yaml"}
    assert set(listed["resources"]) == {file.name for file in KUBERNETES} - apart


def test_the_scaled_object_scales_the_workers_by_a_query_that_prometheus_takes() -> None:
    spec = resource("ScaledObject", "worker")["spec"]
    assert spec["scaleTargetRef"] == {"name": resource("Deployment", "worker")["metadata"]["name"]}
    assert 0 < spec["minReplicaCount"] < spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "prometheus"
    assert set(trigger["metadata"]) == {"serverAddress", "query", "threshold"}
    # What KEDA reads there are texts.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    promql_parser.parse(trigger["metadata"]["query"])


def test_the_compose_file_fulfils_the_schema_of_compose() -> None:
    schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ran = subprocess.run(
        [sys.executable, *schema, DEPLOY / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_what_prometheus_takes_and_says_what_is_wrong(rule: Any) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    promql_parser.parse(rule["expr"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_a_unit_has_the_sections_of_a_service_that_drains_and_is_started_again(file: Path) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read(file, encoding="utf-8")
    assert parser.sections() == ["Unit", "Service", "Install"]
    directives = unit(file)
    assert directives["KillMode"] == ["mixed"]
    assert directives["Restart"] == ["on-failure"]
    assert directives["RestartPreventExitStatus"] == ["2"]


def test_the_file_for_traefik_has_routers_whose_parts_are_there() -> None:
    http = document(DEPLOY / "proxies/traefik.yaml")["http"]
    for router in http["routers"].values():
        assert router["service"] in http["services"]
        assert set(router.get("middlewares", [])) <= set(http["middlewares"])
