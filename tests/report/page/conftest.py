"""The page for all tests of it: one process that computes, and a folder of uploads for each."""

from __future__ import annotations

import pytest

for _module in ("starlette", "python_multipart", "jinja2"):
    pytest.importorskip(_module, reason=f"needs the page extra: {_module}")

from page_client import HOST, ONCE, SECRET, Page
from starlette.testclient import TestClient

from crowdllm_stats.report.page.app import make_app
from crowdllm_stats.report.page.calculator import Calculator
from crowdllm_stats.report.page.guard import Guard
from crowdllm_stats.report.page.uploads import Studies


@pytest.fixture(scope="session")
def calculator():
    with Calculator(seconds=100) as found:
        yield found


@pytest.fixture
def page(tmp_path, calculator):
    app = Guard(make_app(Studies(tmp_path), calculator, megabytes=1), [HOST], SECRET, ONCE, 1_000_000)
    return Page(TestClient(app, base_url=f"http://{HOST}"), tmp_path)
