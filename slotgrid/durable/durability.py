"""Wires the durable parts of one node: database, due work, deliveries, retention."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.webhook_rules import header_faults, signing_key
from slotgrid.durable.due_work import DueHandler, DueWork
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.recovery import Recovery
from slotgrid.durable.retention import Retention
from slotgrid.durable.takeover import Peers
from slotgrid.net.addresses import AddressPolicy
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.background_writes import retry_until_written
from slotgrid.records.database import POOL, Database
from slotgrid.records.engines import DatabaseFault, engine_of
from slotgrid.records.shared_files import SharedFiles, SharedFolder
from slotgrid.records.store import rows
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.nodes import Identity
from slotgrid.runtime.background import background
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings, SettingsError
from slotgrid.webhooks.deliveries import WebhookDeliveries
from slotgrid.webhooks.sender import webhook_sender

log = structlog.get_logger()


class Durability:
    """The durable parts of a node; `running` starts them. Raises SettingsError for its settings.

    `policy` says which addresses webhooks may reach.
    `peers` is the group whose nodes take over from each other; None means the node's own group.
    `functions_within_s` is the time after the start in which functions may still become known.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        artifacts: ArtifactStore,
        *,
        policy: AddressPolicy,
        check_slot_queue: Callable[[TaskClass, int], None] = lambda _, __: None,
        forget: Callable[[str], None] = lambda _: None,
        count_delivery: Callable[[str], None] = lambda _: None,
        redactor: Redactor | None = None,
        peers: str | None = None,
        functions_within_s: float = 0.0,
    ) -> None:
        _check(settings)
        self._redactor = redactor or Redactor()
        self._settings = settings
        self._artifacts = artifacts
        self._policy = policy
        artifacts.shared = _shared_files(settings.artifacts_url)
        url, data_dir = settings.database_url, settings.data_dir
        self.database = Database(engine_of(url, data_dir, pool=POOL))
        self._count_delivery = count_delivery
        self._due = DueWork(self.database, settings.node_name)
        self.due_handlers: dict[DueKind, DueHandler] = {}
        """Handlers of the due work that only some kinds of nodes do; set before `running`."""
        self.tasks = DurableTasks(
            self.database,
            node=settings.node_name,
            ageing_s=settings.priority_ageing_s,
            limit=settings.durable_limit,
            admission=admission,
            check_slot_queue=check_slot_queue,
            webhook_due=self._due.wake,
            artifacts=artifacts,
            forget=forget,
        )
        self._recovery = Recovery(
            self.database,
            self.tasks,
            taken=self._due.wake,
            node=settings.node_name,
            admission=admission,
            functions_within_s=functions_within_s,
        )
        self._peers = Peers(
            self.database,
            Identity.of_this_process(
                settings.node_name, group=peers or settings.group, contract=settings.contract
            ),
            self._recovery,
        )
        self.retention = Retention(
            self.database,
            artifacts,
            days=settings.retention_days,
            limit_bytes=settings.retention_bytes,
            forget=forget,
        )

    def wake_due(self) -> None:
        """Look for due work now: a new row may be due."""
        self._due.wake()

    def health(self) -> Mapping[str, Any]:
        """The part of `/health` about durable work."""
        reason = self.database.unavailable
        if reason is None:
            return {"waiting": self.tasks.waiting, "database": "available", "reason": None}
        hidden = self._redactor.known.hide_text(reason)
        return {"waiting": self.tasks.waiting, "database": "unavailable", "reason": hidden}

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Open the database and recover the tasks of an earlier process. Raises DatabaseFault."""
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack, supervisor)
            except DatabaseUnavailable as away:  # opened, but failed in a later step
                why = self.database.unavailable or away.detail
                raise DatabaseFault(f"{self.database.where} cannot be used: {why}") from away
            yield

    async def _start(self, stack: AsyncExitStack, supervisor: Supervisor) -> None:
        await stack.enter_async_context(self.database.running())
        if not self.database.is_sqlite:
            await stack.enter_async_context(self._peers.known())
        await self._drop_orphaned_files()
        secret = await self._secret()
        stack.enter_context(self._redactor.scope(secret))
        sender = await stack.enter_async_context(
            webhook_sender(
                policy=self._policy,
                secret=secret,
                headers=tuple(self._settings.webhook_headers.items()),
                timeout_s=self._settings.webhook_timeout_s,
            )
        )
        await self._recovery.recover_own()
        deliveries = WebhookDeliveries(
            self.database,
            sender,
            retries=self._settings.webhook_retries,
            timeout_s=self._settings.webhook_timeout_s,
            count=self._count_delivery,
        )
        handlers = {DueKind.WEBHOOK: deliveries, **self.due_handlers}
        await stack.enter_async_context(self._due.running(handlers))
        await stack.enter_async_context(self.tasks.running(supervisor))
        stack.enter_context(self._peers.surviving())
        _ = await stack.enter_async_context(
            background(self._recovery.recover_later, name="tasks of unknown functions")
        )
        _ = await stack.enter_async_context(
            background(self._resume_after_outages, name="return of the database")
        )
        _ = await stack.enter_async_context(background(self.retention.run, name="retention"))

    async def _resume_after_outages(self) -> None:
        """After each outage, take up the recorded queue again, as at a start: memory may have
        missed some tasks.
        """
        while True:
            await self.database.until_returned()
            await retry_until_written(self.tasks.take_up, "after an outage")

    async def _secret(self) -> str:
        if self._settings.webhook_secret is not None:
            return self._settings.webhook_secret
        fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        return await self.database.write(
            lambda connection: rows.shared_secret(connection, "webhook_secret", fresh)
        )

    async def _drop_orphaned_files(self) -> None:
        """Remove files of tasks without a record: an earlier process had them in memory only."""
        folders = await asyncio.to_thread(self._artifacts.task_ids)
        kept = await self.database.read(lambda connection: rows.known(connection, folders))
        await asyncio.to_thread(self._artifacts.clear, keep=kept)


def _shared_files(url: str | None) -> SharedFiles | None:
    """The storage at `url`. Raises SettingsError if its extra is not installed."""
    if url is None:
        return None
    if not url.startswith("s3://"):
        return SharedFolder(Path(url.removeprefix("file://")).expanduser())
    try:
        module = import_module("slotgrid.records.s3_files")
    except ImportError as cause:
        missing = "ARTIFACTS_URL: s3:// needs an extra: pip install 'slotgrid[s3]'"
        raise SettingsError((missing,)) from cause
    files: SharedFiles = module.S3Files(url)
    return files


def _check(settings: Settings) -> None:
    """Check webhook headers and secret at the start, not at the first webhook."""
    problems = [
        f"WEBHOOK_HEADERS: {fault.pointer.removeprefix('/')}: {fault.message}"
        for fault in header_faults(tuple(settings.webhook_headers.items()))
    ]
    if settings.webhook_secret is not None:
        try:
            signing_key(settings.webhook_secret)
        except ValueError as error:
            problems.append(f"WEBHOOK_SECRET: {error}")
    if problems:
        raise SettingsError(tuple(problems))
