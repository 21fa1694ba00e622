"""Nobody but the page gets in, nothing of a file runs or leaves its folder, and bad files are refused in one line."""

from __future__ import annotations

import asyncio
import gzip
import re
from html.parser import HTMLParser

import pytest
from page_client import DIGITAL, HOST, HUMAN, ONCE, SECRET, refusals

FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:9000", "", "[::1]:8000"])
def test_a_foreign_host_is_not_answered(page, host):
    answer = page.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "place", ["/", "/files", "/study/x", "/static/page.js", "/wrong/", "/secre/", "/secretly/", "//", "/open/"]
)
def test_without_the_key_there_is_nothing(page, place):
    for answer in (page.client.get(place), page.client.post(place)):
        assert answer.status_code == 404
        assert SECRET not in answer.text


def test_the_key_for_a_browser_works_once(page):
    first = page.client.get(f"/open/{ONCE}", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, f"/{SECRET}/")
    assert page.client.get(f"/open/{ONCE}", follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_another_web_page_cannot_send_anything(page, headers):
    answer = page.post("/files", files={"human": ("a.csv", HUMAN)}, headers=headers)
    assert answer.status_code == 403
    assert page.files() == []


def test_the_page_itself_can(page):
    headers = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    answer = page.post("/files", files={"human": ("a.csv", HUMAN)}, headers=headers, follow_redirects=False)
    assert answer.status_code == 303


def test_every_answer_says_what_a_browser_may_do(page):
    answers = [
        page.get("/"), page.get("/static/page.js"), page.get("/nothing"), page.client.get("/"),
        page.get("/", headers={"host": "evil"}), page.send(human=b"x" * 1_100_000),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 421, 413]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "name",
    ["../../../stolen.csv", "..\\..\\stolen.csv", "/etc/stolen.csv", "C:\\stolen.csv", "..", ".csv", "a\x00b.csv",
     "x" * 500 + ".csv", "\u202egnp.csv"],
)  # fmt: skip
def test_a_file_stays_in_its_folder_whatever_it_is_called(page, name, tmp_path):
    answer = page.post("/files", files={"human": (name, HUMAN)}, follow_redirects=False)
    assert answer.status_code == 303
    (file,) = page.files()
    assert file.parent.name == "human"
    assert file.parent.parent.parent == tmp_path
    assert file.read_bytes() == HUMAN
    assert re.fullmatch(r"[\w ()+-][\w .()+-]*", file.name)


@pytest.mark.parametrize(
    "place",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/study/../../etc/passwd",
    ],
)
def test_no_other_file_is_served(page, place):
    answer = page.get(place)
    assert answer.status_code == 404
    assert "import" not in answer.text


MARK = b"<script>alert(1)</script>"


class Tags(HTMLParser):
    """The tags of a page, each with its attributes, as a browser reads them."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_nothing_of_a_file_is_code(page):
    human = HUMAN.replace(b"tea,", MARK + b",").replace(b"p3,", b'"<img src=x onerror=alert(2)>",')
    human = human.replace(b"participant", b"<i onmouseover=alert(3)>")
    answer = page.send(human=('"><script>alert(4)</script>.csv', human), digital=DIGITAL)
    texts = [answer.text]
    chosen = {"human_participant": "<i onmouseover=alert(3)>", "scale": '"><script>alert(5)</script>'}
    texts.append(page.look(answer, **(chosen)).text)
    texts.append(page.look(answer, **(chosen | {"scale": "1:5", "match": "<b>"})).text)
    texts.append(page.look(answer, **(chosen | {"scale": "1:5"})).text)
    for text in texts:
        tags = Tags()
        tags.feed(text)
        assert len(tags.found) > 30
        assert {name for name, _ in tags.found} & {"img", "i", "b"} == set()
        assert [given for _, given in tags.found if any(name.startswith("on") for name in given)] == []
        scripts = [given for name, given in tags.found if name == "script" and given.get("type") != "application/json"]
        assert [given["src"] for given in scripts] == [
            f"/{SECRET}/static/{name}.js" for name in ("page", "drawing", "report")
        ]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in texts[-1]


def test_nothing_is_loaded_from_elsewhere(page):
    text = page.post("/example").text
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert len(addresses) > 5
    assert [one for one in addresses if not one.startswith((f"/{SECRET}/", "#", "data:"))] == []


def test_more_than_the_limit_is_read_to_its_end_and_not_kept(page):
    answer = page.send(human=HUMAN, digital=b"x" * 3_000_000)
    assert answer.status_code == 413
    assert refusals(answer.text) == ["more than 1 MB were sent; give smaller files, or start the page with --max-mb"]
    assert page.files() == []


def body(content: bytes, name: str = "human", end: bytes = b"\r\n--x--\r\n") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.csv"\r\n\r\n'
    return head.encode() + content + end


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", FORM),
        (b"nonsense", FORM),
        (body(HUMAN)[:40], FORM),
        (body(HUMAN, end=b""), FORM),
        (body(HUMAN), "multipart/form-data"),
        (body(HUMAN), "text/plain"),
        (body(HUMAN, name="other"), FORM),
        (b'--x\r\nContent-Disposition: form-data; name="human"\r\n\r\nno file\r\n--x--\r\n', FORM),
        (b"".join(body(b"", name=f"f{number}", end=b"\r\n") for number in range(50)) + b"--x--\r\n", FORM),
    ],
)
def test_a_broken_form_is_answered_on_the_page(page, content, kind):
    answer = page.post("/files", content=content, headers={"content-type": kind})
    assert answer.status_code in (400, 422)
    assert len(refusals(answer.text)) == 1
    assert page.files() == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "the file is empty (0 bytes)"),
        ("a.csv", bytes(range(256)) * 40, "a.csv"),
        ("a.csv", HUMAN[:-4] + b'"', "a.csv"),
        ("a.csv.gz", gzip.compress(HUMAN)[:-9], "it is damaged or cut off"),
        ("a.parquet", b"PAR1" + HUMAN + b"PAR1", "cannot be read as Parquet"),
        ("a.exe", HUMAN, "file type not known"),
        ("a", HUMAN, "file type not known"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(page, name, content, said):
    answer = page.send(human=(name, content), digital=DIGITAL)
    (line,) = refusals(answer.text)
    assert said in line
    assert "Traceback" not in answer.text
    assert str(page.folder) not in answer.text


def test_one_file_twice_is_refused(page):
    answer = page.send(human=("a.csv", HUMAN), digital=("b.csv", HUMAN))
    assert answer.status_code == 422
    assert refusals(answer.text) == [
        "the human and the digital answers are the same file: every answer would be its own twin; choose another file "
        "for one of them"
    ]
    assert page.files() == []


def test_a_browser_that_leaves_in_the_middle_of_a_file_leaves_no_error(page):
    async def leaves():
        return {"type": "http.disconnect"}

    sent = []

    async def answered(message):
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"content-type", FORM.encode())]
    scope = {
        "type": "http", "method": "POST", "path": f"/{SECRET}/files", "raw_path": b"", "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    asyncio.run(page.client.app(scope, leaves, answered))
    assert sent[0]["status"] == 400
    assert page.files() == []
