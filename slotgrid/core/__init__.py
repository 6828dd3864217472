"""Decisions on tasks, queue, slots and dispatch, without I/O and HTTP."""
