"""The pools of a worker: what `pools.yaml` may hold, and what a pool gives its tasks."""
