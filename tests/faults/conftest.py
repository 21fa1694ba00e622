"""The fixture ``campaign``, the marker of every test here, and the report joined from the records of all workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from crowdllm_stats._base.manifest import made_by
from faults.campaign import FAULTS, OUTCOMES, Campaign, Taken, report, table

FOLDER = Path(__file__).resolve().parent
SEED = 20261127


class Joined:
    """A plugin of the process that reports: joins what all workers recorded, and fails the run for every fault."""

    def __init__(self, made: str, place: Path | None) -> None:
        self.made = made
        self.place = place
        self.start = time.monotonic()
        self.taken: dict[str, list[Taken]] = {}
        self.failed: list[str] = []

    @property
    def rows(self) -> pd.DataFrame:
        return table(entry for test in sorted(self.taken) for entry in self.taken[test])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when == "teardown":  # the last report of a test has what all its phases recorded
            self.taken[report.nodeid] = [
                entry for name, taken in report.user_properties if name == "campaign" for entry in taken
            ]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self.rows[list(FAULTS)].to_numpy().any():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.place:
            workers = getattr(session.config.option, "numprocesses", None) or 1
            minutes = (time.monotonic() - self.start) / 60
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self.place.write_text(report(self.rows, self.failed, self.made, minutes, workers), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.rows.empty:
            return
        terminalreporter.section("the fault campaign")
        for row in self.rows.itertuples(index=False):
            counts = ", ".join(f"{getattr(row, name)} {name}" for name in OUTCOMES if getattr(row, name))
            terminalreporter.line(f"{row.attack}: {counts}")
        if self.place:
            terminalreporter.line(f"Report: {self.place}")


RECORDS = pytest.StashKey[Campaign]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "the fault campaign in tests/faults")
    group.addoption("--faults-report", type=Path, help="write the campaign's report to this file")
    group.addoption("--faults-command", default="pytest tests/faults", help="the command that the report names")
    group.addoption("--faults-seed", type=int, default=SEED, help="what every attack seeds its draws with")
    group.addoption("--faults-part", type=float, default=1.0, help="share of the tries to make, above 0, at most 1")


def pytest_configure(config: pytest.Config) -> None:
    """The options have their defaults where this file is found too late for its options to be read."""
    seed, part = config.getoption("faults_seed", SEED), config.getoption("faults_part", 1.0)
    if not 0 < part <= 1:
        raise pytest.UsageError(f"--faults-part must be above 0 and at most 1, got {part}")
    config.stash[RECORDS] = Campaign(seed, part)
    if not hasattr(config, "workerinput"):
        made = f"{made_by(config.getoption('faults_command', 'pytest tests/faults'))} Seed {seed},"
        config.pluginmanager.register(Joined(made, config.getoption("faults_report", None)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def campaign(pytestconfig: pytest.Config) -> Campaign:
    """Where a test records what became of each try; of the whole session, so that hypothesis takes it."""
    return pytestconfig.stash[RECORDS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Send what was recorded along with the test's report, which every worker sends to the process that reports."""
    taken = item.config.stash[RECORDS].take()
    if taken:
        item.user_properties.append(("campaign", taken))
    return (yield)
