"""Tests of `worker.pages`."""
