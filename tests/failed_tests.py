"""A pytest plugin that names each failed test at once: a run that is cut short has no summary."""

import pytest


class FailedTests:
    """Prints a line for each phase of a test that fails."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of a test, on the process that prints."""
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.write_line(f"{report.nodeid}: {report.when} failed")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Called by pytest before the first test; the worker processes of xdist have no terminal."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        session.config.pluginmanager.register(FailedTests(terminal))
