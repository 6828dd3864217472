"""Flows: functions whose steps are tasks of other functions, on any slots."""
