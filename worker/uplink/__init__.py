"""The worker's end of its links: receives tasks, sends events, results and reports."""
