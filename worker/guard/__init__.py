"""The traffic guard: a forward proxy in front of Chromium, with a port for each context."""
