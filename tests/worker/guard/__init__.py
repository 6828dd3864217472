"""Tests of `worker.guard`."""
