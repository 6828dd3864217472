"""`hooks.yaml`: what an entry may hold, and each fault with its line."""

import pytest

from balancer.hooks.hook import Hook, Input, Verify
from balancer.hooks.hooks import parse_hooks
from slotgrid.core.errors import InvalidSubmission
from slotgrid.steps.yaml_list import YamlListFault

LONG = "a-long-secret-of-a-sender"
VARIABLES = {"SECRET": LONG, "SHORT": "short", "EMPTY": ""}


def test_an_entry_has_its_defaults() -> None:
    (hook,) = parse_hooks(
        b"- {name: a, function: f, verify: github, secret: '${SECRET}'}", variables=VARIABLES
    )
    assert (hook.verify, hook.input, hook.waits) == (Verify.GITHUB, Input.REQUEST, False)
    assert (hook.secrets, hook.owner, hook.enabled) == ((LONG,), "root", True)
    assert LONG not in repr(hook)
    assert parse_hooks(b"", variables={}) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: x", "expected a list of hooks"),
        ("- [", "line 1: not YAML|line 2: not YAML"),
        ("- 7", "line 1: expected an object"),
        ("- {name: a}", "`function` is required.*`verify` is required.*`secret` is required"),
        ("- {name: a/b}", "`name` expected at most"),
        ("- {names: a}", '`names` unknown field; did you mean "name"'),
        ("- {name: a, verify: hmac}", "must be one of standard-webhooks, github, bearer"),
        ("- {name: a, mode: stream}", "must be sync or async"),
        ("- {name: a, input: all}", "must be one of request, body"),
        ("- {name: a, enabled: 1}", "true or false"),
        ("- {name: a, secret: short}", "at least 16 characters"),
        ("- {name: a, secret: '${NOTHING}'}", "NOTHING, which is not set"),
        ("- {name: a, secret: '${EMPTY}'}", "EMPTY, which is not set"),
        ("- {name: a, secret: '${SHORT}'}", "at least 16"),
        ("- {name: a, secret: 'x${SECRET}'}", "either a text or one variable"),
        ("- {name: a, secret: a secret with spaces}", "without spaces"),
        ("- {name: a, secret: []}", "expected 1 to 5 secrets"),
        ("- {name: a, secret: [1]}", "expected a string"),
        ("- {name: a, verify: standard-webhooks, secret: not*base64*at*all}", "must be base64"),
        (
            f"- &a {{name: a, function: f, verify: bearer, secret: {LONG}}}\n- *a",
            'line 2: the name "a" is here twice',
        ),
    ],
)
def test_each_fault_is_named_without_a_secret(text: str, fault: str) -> None:
    with pytest.raises(YamlListFault, match=fault) as raised:
        parse_hooks(text.encode(), variables=VARIABLES)
    assert LONG not in str(raised.value)


def test_many_faults_are_cut() -> None:
    with pytest.raises(YamlListFault, match=r"and 10 more$"):
        parse_hooks(b"- 7\n" * 30, variables={})


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidSubmission, match="expected an object"):
        Hook.parse([], variables={})
