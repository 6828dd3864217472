"""Limits and intervals of the link; `docs/protocol.md` lists those that bind both ends."""

FRAME_LIMIT = 64 * 1024
"""Bytes in a frame, at most; a peer closes the link after a longer frame."""
PIECE_BYTES = 32 * 1024
"""Bytes of a large message in one frame: an urgent message waits for one such piece at most."""
LINES_AT_ONCE = 4
"""Messages of a frame that are processed before other asyncio tasks run. Frames grow with the
load; processed whole, they would make balancer and worker alternate, each waiting for the other,
instead of working in parallel."""
CREDITS = 32
"""Messages or pieces of a lane that may be under way: 1 MiB of a large message."""
GRANT_EVERY = CREDITS // 4
"""Credits are returned in batches of this size; the credits held back never stall a sender."""
MESSAGE_LIMIT = 128 * 1024 * 1024
"""Bytes in a message, at most."""
SELF_LIMIT = 8 * 1024 * 1024
"""Bytes in a message about no task and no ask, at most: a worker's functions are the largest."""
ASSEMBLY_LIMIT = 256 * 1024 * 1024
"""Bytes of unfinished messages above which only the oldest message gets credits."""
ASSEMBLY_MOST = 4 * ASSEMBLY_LIMIT
"""Bytes of unfinished messages above which the link is closed. ASSEMBLY_LIMIT can be exceeded, as
each message starts with CREDITS."""
BACKLOG_LIMIT = 256 * 1024 * 1024
"""Unsent bytes, at most; above them the peer counts as not reading, and the link ends."""
SEND_AHEAD = 64 * 1024 * 1024
"""High-water mark of unsent bytes: above it large messages wait, see `Link.has_room`. Even with the
largest message on top, a peer that reads never reaches BACKLOG_LIMIT."""
LARGE_LANES = 256
"""Lanes with unsent large messages, at most: each takes 1 MiB of the peer's ASSEMBLY_LIMIT."""

FUNCTIONS_LIMIT = 2000
"""Functions of a worker, at most."""
FUNCTIONS_BYTES = 6 * 1024 * 1024
"""Bytes of all functions as JSON: the rest of `hello` fits beside them into SELF_LIMIT."""
BROKEN_LIMIT = 1000
BROKEN_BYTES = 1024 * 1024
"""Broken files that a worker reports, and their bytes as JSON; `GET /health` has all of them."""

ENTRIES_LIMIT = 200
"""Tags, labels, versions or pools of a worker."""
ENTRIES_BYTES = 64 * 1024
"""Bytes of such a mapping, as JSON."""
PARTS_LIMIT = 10_000
"""Files and steps of one task, together."""
EVENT_LIMIT = 16 * 1024 * 1024
"""Bytes in an event's payload, as JSON."""
STEP_OUTPUTS_LIMIT = 24 * 1024 * 1024
"""Bytes in the outputs of a task's steps, as JSON, together. A task's steps and files always fit
into one message, so its end can always be reported."""

STEP_INPUTS_LIMIT = 8 * 1024 * 1024
"""Bytes in the inputs of a task's steps, as JSON, together; an input beyond it is left out."""

HEARTBEAT_S = 1.0
"""A heartbeat is sent when nothing else was sent for this long."""
TICK_S = 0.5
SIGNS_LIMIT = 10_000
"""Heartbeats and credits in a tick, at most: a large message needs a credit for each batch."""
SILENT_TICKS = 6
"""Silent ticks after which the peer counts as lost: three heartbeats. Ticks instead of clock time:
a blocked event loop has one late tick, and could not receive meanwhile."""
LOST_AFTER_S = SILENT_TICKS * TICK_S
"""Seconds of silence after which a peer is lost; a broken link may be reopened until then."""
HANDSHAKE_S = 5.0
"""Timeout of the dial, from the open WebSocket to `hello`, and from `hello` to `welcome`."""
CLOSE_S = 1.0
"""Timeout of unsent messages and the closing handshake; then the connection is cut."""
GRACE_S = 5.0
"""Time for which a worker keeps the tasks of a balancer whose link was lost."""
REPORT_EVERY_S = 1.0
REPORT_WITHIN_S = 0.01
"""Debounce: changes within 10 ms of a report are sent in the next one."""
