"""The report in a real browser: nothing fails or is fetched, pictures are drawn, tables sort, everybody can read it."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def visit(browser):
    """Opens a report; whatever the console says, and whatever is fetched, is remembered."""
    contexts = []

    def opened(report):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.said, page.fetched = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.fetched.append(request.url))
        page.on("dialog", lambda dialog: page.said.append(dialog.message))
        page.goto(report.as_uri())
        page.wait_for_function(
            "document.querySelectorAll('[data-chart]').length === document.querySelectorAll('[data-drawn]').length",
            timeout=120_000,
        )
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(visit, whole_report):
    """The report, opened once: a test leaves it as it was, but for the last one, which cuts the tables."""
    return visit(whole_report)


def test_pictures_are_drawn_without_an_error_or_the_network(page, whole_report):
    assert page.said == []
    assert page.fetched == [whole_report.as_uri()]
    assert page.locator("[data-chart] svg").count() == page.locator("[data-chart]").count() == 11
    marks = page.locator("[data-chart] svg .mark-symbol path, [data-chart] svg .mark-rect path").count()
    assert marks > 10 * 12


def test_what_stands_in_the_data_is_shown_and_does_not_run(visit, hostile_report):
    page = visit(hostile_report)
    assert page.said == []
    assert page.fetched == [hostile_report.as_uri()]
    assert page.locator("h1").inner_text() == "<script>alert(5)</script>"
    assert page.locator("tbody th", has_text="<script>alert(1)</script>").count() > 0
    assert "<script>alert(1)</script>" in page.locator("[data-chart] svg text").all_text_contents()
    assert page.locator("img, iframe, form:not(.vega-bindings)").count() == 0


def test_a_table_sorts_by_number_and_by_name(page):
    table = page.locator("table").first
    page.locator("details").first.evaluate("one => { one.open = true; }")
    column = table.locator("thead button").all_inner_texts().index("Estimate")

    def numbers():
        return [float(text) for text in table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()]

    before = numbers()
    button = table.locator("thead button").nth(column)
    button.click()
    assert numbers() == sorted(before) != before
    assert table.locator("thead th").nth(column).get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert numbers() == sorted(before, reverse=True)
    assert table.locator("thead th").nth(column).get_attribute("aria-sort") == "descending"
    table.locator("thead button").first.click()
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names)
    assert table.locator("thead th[aria-sort]").count() == 1


def test_the_csv_is_loaded_from_the_page_itself(page):
    page.locator("details").first.evaluate("one => { one.open = true; }")
    with page.expect_download() as download:
        page.locator("a[download]").first.click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("Question,Estimate,From,To")
    assert len(lines) == 1 + 13


def test_on_paper_every_table_is_open(page):
    page.locator("details").first.evaluate("one => { one.open = false; }")
    before = page.locator("details[open]").count()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == before


def test_a_narrow_screen_needs_no_sideways_scrolling(page):
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")  # every table open
    page.set_viewport_size({"width": 360, "height": 900})
    page.wait_for_function("document.documentElement.scrollWidth <= 360", timeout=20_000)  # pictures are drawn again
    page.set_viewport_size({"width": 1200, "height": 900})
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")


def test_everybody_can_read_it(page):
    """No serious or critical violation of what axe checks: names for screen readers, contrast, order of headings."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.evaluate("for (const one of document.querySelectorAll('tbody tr:nth-child(n + 4)')) one.remove()")  # are alike
    for scheme, rules in (("light", None), ("dark", ["color-contrast"])):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=None if rules is None else {"runOnly": rules})
        serious = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
        assert serious == [], [(scheme, one["id"], one["nodes"][0]["html"]) for one in serious]
        assert len(found.response["passes"]) >= (20 if rules is None else 1)
