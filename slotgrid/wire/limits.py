"""The numbers of the link. Those that both ends must keep to stand in `docs/protocol.md` too."""

FRAME_LIMIT = 64 * 1024
"""Bytes in a frame, at most: a peer closes the link for a longer one."""
PIECE_BYTES = 32 * 1024
"""Bytes of a large message in one frame: what is urgent waits for the piece before it."""
LINES_AT_ONCE = 4
"""Messages of a frame that are acted on before everything else has a turn. Frames grow with the
load; were each taken as one, balancer and worker would do their shares in turns, each waiting for
the other, instead of side by side."""
CREDITS = 32
"""Messages or pieces about one task that may be under way: 1 MiB of a large message."""
GRANT_EVERY = CREDITS // 4
"""Credits are given back in such portions, so that pieces never wait for those owed."""
MESSAGE_LIMIT = 128 * 1024 * 1024
"""Bytes in a message, at most."""
SELF_LIMIT = 8 * 1024 * 1024
"""Bytes in a message that is about no task and no question, at most: in what a worker says of
itself these are its functions."""
ASSEMBLY_LIMIT = 256 * 1024 * 1024
"""Bytes of unfinished messages above which only the oldest of them goes on."""
ASSEMBLY_MOST = 4 * ASSEMBLY_LIMIT
"""Bytes of unfinished messages at which the link is closed: each began with credits of its own."""
BACKLOG_LIMIT = 256 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; with more, the link is given up."""
SEND_AHEAD = 64 * 1024 * 1024
"""Bytes that may wait before a sender keeps its next large message back, see `Link.has_room`.
With the largest message on top of it, BACKLOG_LIMIT is never reached by a peer that reads."""
LARGE_LANES = 256
"""Lanes with a large message that may wait at once: each costs the peer 1 MiB of its assembly."""

FUNCTIONS_LIMIT = 2000
"""Functions of a worker."""
FUNCTIONS_BYTES = 6 * 1024 * 1024
"""Bytes of them as JSON, together: what else a worker says of itself fits beside them into
SELF_LIMIT."""
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

HEARTBEAT_S = 1.0
"""A link on which nothing else was sent for so long carries a heartbeat."""
TICK_S = 0.5
SIGNS_LIMIT = 10_000
"""Heartbeats and credits in a tick, at most: of a large message each portion is given back."""
SILENT_TICKS = 6
"""Ticks without a word from the peer, after which it counts as lost: three heartbeats. Counted
and not measured: a loop that stood still has one late tick, and has not listened meanwhile."""
LOST_AFTER_S = SILENT_TICKS * TICK_S
"""Seconds of silence after which a peer is lost; a broken link may be made again until then."""
HANDSHAKE_S = 5.0
"""From the open WebSocket to `hello`, and from `hello` to `welcome`."""
CLOSE_S = 1.0
"""For what waits to be sent and the closing handshake; then the connection is cut."""
GRACE_S = 5.0
"""For how long a worker keeps the tasks of a balancer whose link was lost."""
REPORT_EVERY_S = 1.0
REPORT_WITHIN_S = 0.01
"""Between the reports of a worker: changes that come sooner after one go in the next together."""
