"""The fleet: its workers, their free slots, and the route of a task to a worker."""
