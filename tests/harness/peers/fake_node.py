"""A node in the API's documented shapes, on a real port, whose tasks say what they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

KEY = "the-key-of-this-node"
TASK_ID = "01890a5d-ac96-774b-bcce-b302099a8057"

Said = tuple[str, dict[str, Any]]
Script = Callable[[dict[str, Any]], AsyncIterator[Said]]


def answer(result: Any) -> Said:
    payload = {
        "success": True, "id": TASK_ID, "result": result,
        "worker": "here-3000", "queued_ms": 2.4, "run_ms": 312.0,
    }  # fmt: skip
    return "done", payload


def problem(name: str, status: int, title: str, detail: str, **more: Any) -> Said:
    payload = {"type": f"/problems/{name}", "title": title, "status": status, "detail": detail}
    return "error", {**payload, "success": False, "error": detail, **more}


def described(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name, "description": f"What {name} does.", "kind": "python", "input": schema,
        "output": None, "modes": ["sync", "stream"], "timeout_s": 20.0, "pool": "default",
        "isolation": "context", "contract": 1, "group": "default", "revision": "abc", **more,
    }  # fmt: skip


PAGE_INPUT = {
    "type": "object",
    "properties": {
        "wait_until": {"enum": ["load", "networkidle"], "default": "load"},
        "url": {"type": "string", "description": "Address of the page"},
        "retries": {"type": "integer", "minimum": 0, "default": 2},
    },
    "required": ["url"],
    "additionalProperties": False,
}


class FakeNode:
    """Runs scripts instead of functions, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.functions: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, Script] = {}
        self.submissions: list[dict[str, Any]] = []
        self.posted: list[str] = []
        self.artifacts: dict[str, bytes] = {}
        self.task_log: list[dict[str, Any]] = []
        self.remembers = True
        self.logs: list[dict[str, Any]] = []
        self.workers: list[dict[str, Any]] = []
        self.health: dict[str, Any] = {"status": "ready"}
        self.asked_for_logs = 0
        self.started = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.app = web.Application(middlewares=[self._auth])
        self.app.add_routes(
            [
                web.post("/task", self._task),
                web.get("/functions", self._functions),
                web.get("/functions/{name:.+}", self._function),
                web.get("/tasks/{id}", self._record),
                web.get("/tasks/{id}/logs", self._task_log),
                web.get("/tasks/{id}/artifacts", self._artifacts),
                web.get("/tasks/{id}/artifacts/{name:.+}", self._artifact),
                web.post("/tasks/{id}/cancel", self._switch),
                web.get("/health", self._health),
                web.get("/logs", self._logs),
                web.get("/workers", self._workers),
                web.post("/{switch:on|off|drain}", self._switch),
            ]
        )

    def add(self, name: str, script: Script, schema: dict[str, Any] | None = None) -> None:
        self.functions[name] = described(name, schema or {"type": "object"})
        self.scripts[name] = script

    @web.middleware
    async def _auth(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _refused(
                problem("unauthorized", 401, "A valid key is needed", "the key is wrong")
            )
        response: web.StreamResponse = await handler(request)
        return response

    async def _task(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.submissions.append(body)
        script = self.scripts[body["function"]](body["input"])
        self.started.set()
        try:
            if body["mode"] == "stream":
                return await _stream(request, script)
            async for kind, payload in script:
                if kind == "done":
                    return web.json_response(payload)
                if kind == "error":
                    return _refused((kind, payload))
        except (asyncio.CancelledError, ConnectionError):
            self.hung_up.set()
            raise
        raise AssertionError("a script ends with done or error")

    async def _functions(self, _: web.Request) -> web.Response:
        listed = list(self.functions.values())
        return web.json_response({"functions": listed, "total": len(listed)})

    async def _function(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.functions:
            return web.json_response(self.functions[name])
        detail = f"there is no function '{name}'; did you mean 'hello'?"
        return _refused(problem("unknown-function", 404, "There is no such function", detail))

    async def _record(self, request: web.Request) -> web.Response:
        return web.json_response({"task": {"id": request.match_info["id"], **request.query}})

    async def _task_log(self, _: web.Request) -> web.Response:
        if not self.remembers:
            return _refused(problem("unknown-task", 404, "There is no such task", "forgotten"))
        lines = "".join(f"{json.dumps(line)}\n" for line in self.task_log)
        return web.Response(text=lines, content_type="application/x-ndjson")

    async def _artifacts(self, request: web.Request) -> web.Response:
        if not self.remembers:
            return _refused(problem("unknown-task", 404, "There is no such task", "forgotten"))
        listed = [
            {"name": name, "size": len(data), "content_type": "image/png", "url": "unused"}
            for name, data in self.artifacts.items()
        ]
        return web.json_response({"artifacts": listed, "total": len(listed)})

    async def _artifact(self, request: web.Request) -> web.Response:
        return web.Response(body=self.artifacts[request.match_info["name"]])

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health)

    async def _workers(self, _: web.Request) -> web.Response:
        return web.json_response({"workers": self.workers, "total": len(self.workers)})

    async def _logs(self, request: web.Request) -> web.Response:
        self.asked_for_logs += 1
        return web.json_response({"logs": self.logs})

    async def _switch(self, request: web.Request) -> web.Response:
        self.posted.append(f"{request.path} {await request.text()}".strip())
        return web.json_response({"success": True, "status": "maintenance", "message": "3 left"})


async def _stream(request: web.Request, script: AsyncIterator[Said]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b": ping\n\n")
    number = 0
    async for kind, payload in script:
        if kind == "break":
            assert request.transport is not None
            request.transport.abort()
            break
        number += 1
        frame = f"id: {number}\nevent: {kind}\ndata: {json.dumps(payload)}\n\n"
        await response.write(frame.encode())
    return response


def _refused(said: Said) -> web.Response:
    payload = said[1]
    return web.json_response(
        payload, status=payload["status"], content_type="application/problem+json"
    )
