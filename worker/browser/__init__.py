"""Chromium processes and contexts: launch, health, recycle, kill, sweep."""
