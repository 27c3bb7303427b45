"""The table of all trials, at the end of a run."""

import pytest

from tests.lab.trial import REPORTS, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORTS:
        terminalreporter.section("what the oracle found")
        for line in table(REPORTS):
            terminalreporter.line(line)
