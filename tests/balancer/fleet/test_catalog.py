"""The functions of a fleet and those of its balancer, as one catalog."""

from dataclasses import replace

import pytest

from balancer.fleet.catalog import BalancerCatalog
from tests.balancer.fleet.fakes import FakeFleet
from tests.slotgrid.core.fakes import FLOW, PLAIN

SHOP_FLOW = replace(FLOW, group="shop", contract=3)


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
def catalog(fleet: FakeFleet) -> BalancerCatalog:
    return BalancerCatalog(fleet.roster)


def test_a_balancer_without_workers_has_its_own_functions(catalog: BalancerCatalog) -> None:
    catalog.replace_own([FLOW, SHOP_FLOW])
    assert catalog.specs() == [SHOP_FLOW, FLOW]  # the group `default` is last
    assert catalog.find("flow") is catalog.find("flow", "default", 1) is FLOW
    assert catalog.find("flow", "shop") is SHOP_FLOW
    assert catalog.find("flow", "shop", 1) is None
    assert catalog.groups() == {"default": [1], "shop": [3]}


def test_functions_of_workers_are_found_beside_own_ones(
    fleet: FakeFleet, catalog: BalancerCatalog
) -> None:
    fleet.join("w1")
    fleet.join("w2", contract=2, functions=[replace(PLAIN, contract=2)])
    catalog.replace_own([SHOP_FLOW, FLOW])
    assert [(spec.name, spec.group, spec.contract) for spec in catalog.specs()] == [
        ("flow", "shop", 3),
        ("flow", "default", 1),
        ("plain", "default", 1),
        ("plain", "default", 2),
    ]
    assert catalog.find("plain", None, 1) is PLAIN
    assert catalog.groups() == {"default": [1, 2], "shop": [3]}


def test_an_own_function_hides_those_of_workers_unless_the_contract_differs(
    fleet: FakeFleet, catalog: BalancerCatalog
) -> None:
    older, newer = replace(PLAIN, name="flow"), replace(PLAIN, name="flow", contract=2)
    fleet.join("w1", functions=[older])
    fleet.join("w2", contract=2, functions=[newer])
    assert catalog.find("flow") is newer
    catalog.replace_own([FLOW])
    assert catalog.find("flow") is catalog.find("flow", contract=1) is FLOW
    assert catalog.find("flow", contract=2) is newer
    assert catalog.specs() == [newer, FLOW]  # last, as it is the usual choice


def test_the_version_grows_with_either_set(fleet: FakeFleet, catalog: BalancerCatalog) -> None:
    versions = [catalog.version]
    fleet.join("w1")
    versions.append(catalog.version)
    catalog.replace_own([FLOW])
    versions.append(catalog.version)
    catalog.replace_own([])
    versions.append(catalog.version)
    assert versions == sorted(set(versions))
    assert catalog.find("flow") is None
