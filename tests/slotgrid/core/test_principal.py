"""Scopes, and whose tasks a principal sees."""

from slotgrid.core.principal import Principal, Scope

ADA = Principal("ada", frozenset({Scope.READ, Scope.SUBMIT}))
OPERATOR = Principal("op", frozenset({Scope.READ, Scope.OPERATE}))


def test_a_principal_may_do_what_its_scopes_name_and_what_is_public() -> None:
    assert ADA.may(Scope.SUBMIT)
    assert ADA.may(Scope.PUBLIC)
    assert not ADA.may(Scope.OPERATE)


def test_without_operate_a_principal_sees_its_own_tasks_only() -> None:
    assert ADA.may_see("ada")
    assert not ADA.may_see("op")
    assert ADA.only_owner == "ada"


def test_with_operate_a_principal_sees_the_tasks_of_every_owner() -> None:
    assert OPERATOR.may_see("ada")
    assert OPERATOR.only_owner is None
