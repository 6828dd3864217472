"""Schedules: tasks that start by time, from `schedules.yaml` and the API."""
