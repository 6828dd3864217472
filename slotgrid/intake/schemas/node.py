"""Schemas of the node, its functions and its log in answers."""

from collections.abc import Mapping

from slotgrid.core.fields import Mode
from slotgrid.core.node_state import NodeState
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import (
    FLAG,
    MOMENT,
    TEXT,
    WHOLE,
    doc,
    list_of,
    or_null,
    page_of,
    record,
    ref,
)
from slotgrid.intake.schemas.tasks import KIND

_STATE: JsonSchema = {"type": "string", "enum": [str(state) for state in NodeState]}
_OPEN: JsonSchema = {"type": "object"}
_STRINGS: JsonSchema = {"type": "object", "additionalProperties": TEXT}

COMPONENTS: Mapping[str, JsonSchema] = {
    "Function": record(
        "A function that this node offers",
        {
            "name": TEXT,
            "description": TEXT,
            "kind": KIND,
            "input": doc(ref("JsonSchema"), "The schema of its input"),
            "output": doc(
                or_null(ref("JsonSchema")), "The schema of its result, if it declares one"
            ),
            "modes": list_of({"type": "string", "enum": [str(mode) for mode in Mode]}),
            "timeout_s": doc(
                {"type": "number"},
                "Time limit of one attempt, in seconds: the default and the maximum of a task",
            ),
            "pool": TEXT,
            "isolation": TEXT,
            "retries": doc(WHOLE, "Maximum of further attempts after the first failed"),
            "requires": doc(list_of(TEXT), "The services that must be up"),
            "concurrency": or_null(doc(WHOLE, "Maximum of tasks that run at once")),
            "rate": or_null(doc(TEXT, "Maximum of starts in a period, such as 10/m")),
            "contract": WHOLE,
            "group": TEXT,
            "revision": doc(TEXT, "A hash that changes with the function's code"),
        },
    ),
    "JsonSchema": {"type": "object", "description": "A JSON Schema, draft 2020-12"},
    "FunctionList": page_of("functions", ref("Function")),
    "Health": record(
        "The state of the node; all members but `status` require a key",
        {
            "status": _STATE,
            "name": TEXT,
            "group": TEXT,
            "contract": WHOLE,
            "version": TEXT,
            "labels": _STRINGS,
            "functions": doc(
                list_of(
                    record("", {"name": TEXT, "revision": TEXT, "group": TEXT}, optional=("group",))
                ),
                "The functions that this node offers; on a balancer with their group",
            ),
            "broken": doc(
                list_of(record("", {"path": TEXT, "error": TEXT, "kept_revision": or_null(TEXT)})),
                "Files of functions that failed to load",
            ),
            "flows": doc(
                list_of(TEXT), "On a worker: files with flows in its folder, which balancers run"
            ),
            "slots": record(
                "All pools together: `used` of `limit` slots are taken, `available` would take a "
                "task now; `queue` tasks wait; `held` is the reason why free slots take no task",
                {
                    "used": WHOLE,
                    "available": WHOLE,
                    "limit": WHOLE,
                    "queue": WHOLE,
                    "held": or_null(TEXT),
                },
            ),
            "pools": {"type": "object", "additionalProperties": ref("PoolCount")},
            "workers": record(
                "On a balancer: the number of workers, also by state; the number `listed` in "
                "`workers.json`; `unheard`, those of them without a first report; the file's fault",
                {
                    "total": WHOLE,
                    "listed": WHOLE,
                    "unheard": list_of(TEXT),
                    "states": {"type": "object", "additionalProperties": WHOLE},
                    "file_fault": or_null(TEXT),
                },
            ),
            "durable": record(
                "The number of durable tasks that wait, on disk or in memory; whether the "
                "database answers, and the reason if it does not",
                {
                    "waiting": WHOLE,
                    "database": {"type": "string", "enum": ["available", "unavailable"]},
                    "reason": or_null(TEXT),
                },
            ),
            "mounts": record(
                "The static mounts: their prefixes; those whose folders are missing or do not "
                "answer; the fault of the file, after which the last good one counts",
                {
                    "prefixes": list_of(TEXT),
                    "unavailable": list_of(TEXT),
                    "file_fault": or_null(TEXT),
                },
            ),
            "users": record(
                "The number of users in `users.json`, and the fault of the file, after which the "
                "last good one counts",
                {"in_file": WHOLE, "file_fault": or_null(TEXT)},
            ),
            "schedules": record(
                "On a balancer: the number of schedules in `schedules.yaml`, and the fault of the "
                "file, after which the last good one counts",
                {"in_file": WHOLE, "file_fault": or_null(TEXT)},
            ),
            "hooks": record(
                "On a balancer: the number of hooks in `hooks.yaml`, and the fault of the file, "
                "after which the last good one counts",
                {"in_file": WHOLE, "file_fault": or_null(TEXT)},
            ),
            "services": list_of(ref("Service")),
            "tags": _OPEN,
            "secrets": record(
                "The secrets that `secrets.yaml` of a worker declares, without their values, and "
                "the file's fault",
                {
                    "file_fault": or_null(TEXT),
                    "declared": list_of(ref("DeclaredSecret")),
                },
            ),
            "browsers": doc(
                _OPEN, "The state of each browser; `persistent`: that of each slot that keeps one"
            ),
            "pools_file": record(
                "A worker's pools.yaml: why it is not in use as it is now, and what of it needs a "
                "restart of the worker",
                {"file": TEXT, "fault": or_null(TEXT), "restart": or_null(TEXT)},
            ),
            "system": doc(_OPEN, "CPU and memory of the machine, and the lag of the event loop"),
        },
        optional=(
            *("name", "group", "contract", "labels", "version", "functions", "broken"),
            *("flows", "slots", "pools", "workers", "durable", "mounts", "services", "tags"),
            *("browsers", "system", "schedules", "hooks", "users", "secrets", "pools_file"),
        ),
    ),
    "DeclaredSecret": record(
        "A secret that functions may name",
        {
            "name": TEXT,
            "description": TEXT,
            "required": doc(
                {"type": "boolean"}, "Whether functions that name it are left out without it"
            ),
            "state": {"type": "string", "enum": ["present", "missing", "unusable"]},
            "source": or_null({"type": "string", "enum": ["environment", "file"]}),
            "problem": or_null(doc(TEXT, "Where its value was looked for, and what was found")),
        },
    ),
    "MountListing": record(
        "The files of a static mount, by name",
        {
            "prefix": TEXT,
            "count": doc(WHOLE, "The number of files in this page"),
            "total": doc(WHOLE, "The number of all files"),
            "entries": list_of(
                record(
                    "",
                    {
                        "name": doc(TEXT, "The path below the prefix"),
                        "url": doc(or_null(TEXT), "Its path on this node; null if not served"),
                        "size": doc(WHOLE, "Bytes"),
                        "modified_at": MOMENT,
                    },
                )
            ),
        },
    ),
    "Group": record(
        "A set of functions, and the workers that serve it",
        {
            "name": TEXT,
            "contracts": doc(list_of(WHOLE), "The contracts that workers serve now"),
            "functions_count": WHOLE,
            "recipes_count": WHOLE,
            "flows_count": WHOLE,
            "schedules_count": or_null(doc(WHOLE, "null if the database does not answer")),
            "hooks_count": WHOLE,
            "revision": doc(TEXT, "A hash that changes with any of its functions"),
            "commits": doc(
                list_of(TEXT),
                "The Git commits that its workers' folders have checked out; more than one while "
                "they differ",
            ),
            "workers": doc(WHOLE, "The number of workers that serve it"),
        },
    ),
    "User": record(
        "A user. `rate` limits its requests (`100/m`), `concurrency` its tasks that run at once",
        {
            "name": TEXT,
            "built_in": FLAG,
            "scopes": list_of(TEXT),
            "keys": list_of(record("", {"expires_at": or_null(MOMENT), "expired": FLAG})),
            "rate": or_null(TEXT),
            "concurrency": or_null(WHOLE),
        },
    ),
    "UserList": record("", {"users": list_of(ref("User")), "total": WHOLE}),
    "GroupList": page_of("groups", ref("Group")),
    "PoolCount": record(
        "The slots of a pool; its `isolation` if the pool states one; `free_slots`, only of a "
        "worker at a balancer, the numbers of those free slots that a task may ask for",
        {
            "size": WHOLE,
            "free": WHOLE,
            "busy": WHOLE,
            "isolation": TEXT,
            "free_slots": list_of(WHOLE),
        },
        optional=("isolation", "free_slots"),
    ),
    "Service": record(
        "A long-lived helper of functions",
        {
            "name": TEXT,
            "state": {"type": "string", "enum": ["starting", "up", "down"]},
            "status": {},
            "since": MOMENT,
            "restarts": WHOLE,
            "error": or_null(TEXT),
        },
    ),
    "NodeStatus": record(
        "", {"status": _STATE, "message": doc(TEXT, "In words")}, optional=("message",)
    ),
    "Alive": record("", {"status": {"type": "string", "const": "alive"}}),
    "NodeLogs": record(
        "",
        {
            "logs": list_of(
                record(
                    "One log event; it has further fields of its own",
                    {"ts": MOMENT, "level": TEXT, "event": TEXT},
                    additionalProperties=True,
                )
            )
        },
    ),
    "Drain": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "deadline_s": or_null(
                {
                    "type": "number",
                    "minimum": 0,
                    "description": "Seconds that tasks have to finish; DRAIN_S when omitted",
                }
            )
        },
    },
}
