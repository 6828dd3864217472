"""Decides: tasks, queue, slots, dispatch. No I/O and no HTTP in here."""
