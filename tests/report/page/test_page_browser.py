"""The page in a real browser, as a person uses it: files dropped, sentence read, level changed, table taken away."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from crowdllm_stats import interval_from, load_example
from crowdllm_stats.data.files import write_table

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the test extra")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python, of the test extra"
)

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path"),
    pytest.mark.skipif(os.name != "posix", reason="stops the program as a terminal does"),
]


def hearing_ctrl_c():
    """As a terminal starts it; a job in the background would pass on that it ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The command itself; its address, and at the end its clean stop."""
    uploads = tmp_path_factory.mktemp("uploads")
    process = subprocess.Popen(
        [sys.executable, "-m", "crowdllm_stats", "serve", "--no-browser"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(uploads)},
        preexec_fn=hearing_ctrl_c,
    )  # fmt: skip
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+/", process.stdout.readline())
        assert found is not None
        yield found[0]
        assert list(uploads.iterdir()) != []
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert errors == "stopped; the files that were given to the page are deleted\n"
    assert process.returncode == 0
    assert list(uploads.iterdir()) == []


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as player:
        made = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def tab(browser):
    """A fresh tab; at the end nothing must have gone wrong in it, and nothing have been asked of anybody else."""
    context = browser.new_context(accept_downloads=True)
    found = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    found.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    yield found
    context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "file:"))] == []


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for side in ("human", "digital"):
        write_table(getattr(load_example(), side).to_frame(), folder / f"{side}.csv")
    return folder


def accessible(tab) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in axe.Axe().run(tab).response["violations"]]


def drawn(tab) -> None:
    """Wait until every picture is there."""
    tab.wait_for_load_state("load")
    tab.wait_for_function(
        "document.querySelectorAll('[data-chart]').length === document.querySelectorAll('[data-drawn]').length"
    )


def drop(tab, label: str, file: Path) -> None:
    """Drop a file on a place of the page, as from a file manager."""
    handle = tab.evaluate_handle(
        "([name, text]) => { const all = new DataTransfer(); all.items.add(new File([text], name)); return all; }",
        [file.name, file.read_text(encoding="utf-8")],
    )
    place = tab.get_by_label(label)
    for kind in ("dragenter", "dragover", "drop"):
        place.dispatch_event(kind, {"dataTransfer": handle})


def test_two_files_give_an_interval_at_the_level_asked_for(server, tab, files, tmp_path):
    example = load_example()
    tab.goto(server)
    assert accessible(tab) == []
    drop(tab, "Human answers", files / "human.csv")
    tab.get_by_label("Digital answers").set_input_files(files / "digital.csv")
    tab.get_by_role("button", name="Continue").click()
    sentence = tab.locator(".says").first
    tables = example.human.to_frame(), example.digital.to_frame()
    assert sentence.inner_text() == interval_from(*tables, scale="1:5").answer
    tab.locator("summary", has_text="Change how the files are read").click()
    tab.get_by_label("Confidence level").select_option("0.9")
    tab.get_by_role("button", name="Show again").click()
    tab.wait_for_url("**level=0.9*")
    answer = interval_from(*tables, scale="1:5", level=0.9).answer
    assert sentence.inner_text() == answer
    tab.go_back()
    tab.wait_for_selector("#level", state="attached")
    assert "level=0.9" not in tab.url
    assert tab.eval_on_selector("#level", "place => place.value") == "0.95"  # the choice is that of the numbers
    tab.go_forward()
    tab.wait_for_url("**level=0.9*")
    drawn(tab)
    assert accessible(tab) == []
    assert tab.locator("[data-drawn] svg").count() == 3
    with tab.expect_download() as download:
        tab.get_by_role("link", name="The report as one file").click()
    download.value.save_as(tmp_path / "report.html")
    tab.goto((tmp_path / "report.html").as_uri())
    assert tab.locator(".says").first.inner_text() == answer


def test_the_example_by_keyboard_on_a_narrow_dark_screen(server, tab):
    tab.set_viewport_size({"width": 360, "height": 700})
    tab.emulate_media(color_scheme="dark")
    tab.goto(server)
    tab.get_by_role("button", name="Try it with the example").focus()
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="How many people to ask").wait_for()
    drawn(tab)
    assert accessible(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_a_sheet_of_something_else_is_answered_on_the_page_and_another_one_chosen(server, tab, files, tmp_path):
    with pd.ExcelWriter(tmp_path / "book.xlsx", engine="openpyxl") as book:
        notes = pd.DataFrame({"what": ["asked", "answered"], "when": ["in May", "in June"]})
        notes.to_excel(book, sheet_name="Notes", index=False)
        pd.read_csv(files / "human.csv").to_excel(book, sheet_name="Wave, 1", index=False)
    tab.goto(server)
    tab.get_by_label("Human answers").set_input_files(tmp_path / "book.xlsx")
    tab.get_by_role("button", name="Continue").click()
    assert "Which column is which?" in tab.get_by_role("alert").inner_text()
    tab.wait_for_load_state("load")
    assert accessible(tab) == []
    tab.get_by_label("Which table of human/book.xlsx?").select_option("Wave, 1")
    tab.get_by_role("button", name="Read this one").click()
    answer = interval_from(load_example().human.to_frame(), scale="1:5").answer
    assert tab.locator(".says").first.inner_text() == answer
    drawn(tab)
