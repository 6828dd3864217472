"""Runs recipes and lists of commands: steps of actions, in one slot and browser context."""
