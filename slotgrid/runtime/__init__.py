"""How a process is run: settings, logs, metrics, background loops."""
