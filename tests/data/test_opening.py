"""Files of every kind come in through one door: read rightly and said, or refused in one line that names the mend."""

import gzip
import io
import json
import zipfile

import openpyxl
import pandas as pd
import pyreadstat
import pytest

from crowdllm_stats._base.unpacking import VARIABLE
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.opening import open_table

#: Four answers of two people to two questions, one of them not a whole number, in every file that is read.
TEXT = "problem,participant,response\nq1,rené,4\nq1,bob,2.5\nq2,rené,1\nq2,bob,5\n"
ANSWERS = [("q1", "rené", 4.0), ("q1", "bob", 2.5), ("q2", "rené", 1.0), ("q2", "bob", 5.0)]


def with_marks(mark: str, text: str = TEXT) -> str:
    return text.replace("2.5", "2;5").replace(",", mark).replace("2;5", "2,5")


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def excel(*sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Wave {number}")
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


ROWS = [["problem", "participant", "response"], *map(list, ANSWERS)]
OBJECTS = [dict(zip(ROWS[0], row, strict=True)) for row in ANSWERS]
LINES = "".join(json.dumps(one) + "\n" for one in OBJECTS)

READ = {
    "plain.csv": (TEXT.encode(), ()),
    "mark.csv": (b"\xef\xbb\xbf" + TEXT.encode(), ()),
    "packed.csv.gz": (gzip.compress(TEXT.encode()), ()),
    "semicolons.csv": (with_marks(";").encode(), ("semicolons", "decimal commas in 'response'")),
    "windows.csv": (with_marks(";").encode("cp1252"), ("Windows-1252",)),
    "commas_windows.csv": (TEXT.encode("cp1252"), ("Windows-1252",)),
    "utf16.csv": (with_marks("\t").encode("utf-16"), ("UTF-16", "tabs")),
    "utf16_no_mark.csv": (TEXT.encode("utf-16-le"), ("UTF-16",)),
    "tabs.tsv": (with_marks("\t").encode(), ("tabs",)),
    "pipes.txt": (with_marks("|").encode(), ("'|' between",)),
    "packed.tsv.gz": (gzip.compress(with_marks("\t").encode()), ("tabs",)),
    "one.zip": (zipped(data__csv=with_marks(";").encode(), readme__md=b"#"), ("holds data.csv", "semicolons")),
    "list.json": (json.dumps(OBJECTS).encode(), ()),
    "under_a_key.json": (json.dumps({"version": 2, "answers": OBJECTS}).encode(), ()),
    "lines.jsonl": (LINES.encode(), ()),
    "packed.jsonl.gz": (gzip.compress(LINES.encode()), ()),
    "sheet.xlsx": (excel(ROWS), ()),
    "title.xlsx": (excel([["Study 3"], [None], *ROWS]), ("1 line above the header",)),
    "readme.xlsx": (
        excel([["Read me"], ["Wave 2 is on the next sheet"]], ROWS),
        ("sheet 'Wave 2', the first of 'Wave 1', 'Wave 2' with",),
    ),
    "two.xlsx": (excel(ROWS, [["code"], [1]]), ("sheet 'Wave 1', the first of 'Wave 1', 'Wave 2'",)),
}


def answers(data: CrowdData) -> list[tuple[str, str, float]]:
    return list(data.responses.itertuples(index=False, name=None))


@pytest.mark.parametrize("name", READ)
def test_files_of_every_kind_hold_the_same_answers(tmp_path, name):
    content, said = READ[name]
    (tmp_path / name).write_bytes(content)
    data = CrowdData.read(tmp_path / name)
    assert answers(data) == ANSWERS
    assert bool(data.notes) == bool(said)
    assert all(text in " ".join(data.notes) for text in said)


@pytest.mark.parametrize("name", ["answers.sav", "answers.zsav", "answers.dta"])
def test_spss_and_stata(tmp_path, name):
    frame = pd.DataFrame(ROWS[1:], columns=ROWS[0])
    if name.endswith(".dta"):
        pyreadstat.write_dta(frame, tmp_path / name)
    else:
        pyreadstat.write_sav(frame, tmp_path / name, compress=name.endswith(".zsav"))
    assert answers(CrowdData.read(tmp_path / name)) == ANSWERS


def test_a_sheet_and_a_packed_file_are_named_behind_the_file(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(excel([["code"], [1]], ROWS))
    assert answers(CrowdData.read(f"{tmp_path}/a.xlsx#Wave 2")) == ANSWERS
    (tmp_path / "a.zip").write_bytes(zipped(one__csv=TEXT.encode(), two__csv=b"a,b\n1,2\n"))
    assert answers(CrowdData.read(f"{tmp_path}/a.zip#one.csv")) == ANSWERS


FORMULA = [["problem", "participant", "response"], ["q1", "ann", "=1+1"], ["q1", "bob", 3]]
REFUSED = {
    "empty.csv": (b"", "the file is empty"),
    "blank.tsv": (b"\n\n", "there is nothing in it"),
    "header.tsv": (b"a\tb\n", "a header but no rows"),
    "cut.tsv": (b"problem\tparticipant\tresponse\nq\ta\t1\nq\tb", "line 3 has 2 value.s. where the header has 3"),
    "quote.tsv": (b'problem\tparticipant\tresponse\nq\t"a\t1\n', "opens a quote that is never closed"),
    "giant.tsv": (
        b"problem\tparticipant\tresponse\nq\t" + b"x" * 140_000 + b"\t1\n",
        "(field larger than field limit|holds a value of more than 131,072)",
    ),
    "zero.tsv": (b"problem\tparticipant\tresponse\nq\ta\0\t1\n", "line 2 holds a zero byte"),
    "bytes.csv": (bytes(range(128, 256)) * 20, "is not UTF-8 text"),
    "twice.tsv": (b"problem\tproblem\tresponse\na\tb\t1\n", "column 'problem' is there 2 times"),
    "wide.tsv": (
        b"\t".join(b"c%d" % place for place in range(10_001)) + b"\n" + b"1\t" * 10_000 + b"1\n",
        "10,001 col",
    ),
    "thousands.csv": (b'problem,participant,response\nq,a,"1,234"\nq,b,"2,345"\n', "answers that are not numbers"),
    "other.pdf": (b"%PDF", "file type not known; use one of .csv"),
    "a.ods": (b"PK", "a.ods: file type not known; save it as .xlsx"),
    "a.xlsb": (b"PK", "a.xlsb: file type not known; save it as .xlsx"),
    "page.csv": (b"<!DOCTYPE html>\n<html></html>", "page.csv: is a web page, not a table"),
    "renamed.csv": (excel(ROWS), "renamed.csv: is an Excel file or a zip archive, not text; rename it to .xlsx"),
    "renamed.json": (b"%PDF-1.7", "renamed.json: is a PDF, not a table"),
    "cut.json": (json.dumps(OBJECTS).encode()[:-9], "line 1 is not JSON .* cut off"),
    "cut.jsonl": (LINES.encode()[:-9], "line 4 is not JSON"),
    "deep.json": (b"[" * 100_000, "too deep"),
    "words.json": (b'["a"]', "entry 1 is not an object"),
    "number.json": (b"3", "must be a list of objects"),
    "nothing.json": (b"[]", "there is no row in it"),
    "key.jsonl": (b'{"problem": "a", "problem": "b"}\n', "has the key 'problem' twice"),
    "within.json": (b'[{"a.b": 1, "a": {"b": 2}}]', "within.json: entry 1 has .a.b. twice"),
    "before.jsonl": (b'{"a": {"b": 2}, "a.b": 1}\n', "entry 1 has .a.b. twice"),
    "infinite.jsonl": (b'{"problem":"a","participant":"b","response":Infinity}\n', "1 infinite answers"),
    "cut.xlsx": (excel(ROWS)[:-30], "not a whole Excel file"),
    "text.xlsx": (TEXT.encode(), "not a whole Excel file"),
    "text.xls": (TEXT.encode(), "cannot be read as Excel"),
    "zip.xlsx": (zipped(data__csv=b"a,b\n1,2\n"), "cannot be read as Excel"),
    "blank.xlsx": (excel([[None]]), "there is nothing in its sheets"),
    "formula.xlsx": (excel(FORMULA), "formula in it has no saved value; open the file in Excel and save it"),
    "cut.sav": (b"$FL2" + b"\0" * 90, "cannot be read as SPSS"),
    "cut.dta": (b"<stata_dta>", "cannot be read as Stata"),
    "cut.zip": (zipped(a__csv=TEXT.encode() * 50)[:-40], "cannot be unpacked, it is damaged or cut off"),
    "none.zip": (zipped(a__pdf=b"x"), "holds no table of text"),
    "two.zip": (zipped(a__csv=b"a,b\n1,2\n", b__csv=b"a,b\n1,2\n"), "holds 2 tables of text .*say which one with"),
    "cut.jsonl.gz": (gzip.compress(LINES.encode() * 50)[:-20], "cannot be unpacked"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_in_one_line(tmp_path, name):
    content, message = REFUSED[name]
    place = tmp_path / name
    place.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        CrowdData.read(place)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def bombs() -> dict[str, bytes]:
    """Small files that would take gigabytes."""
    corner = '<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="BZ1048576"><v>1</v></c></row>'
    sheet = (
        f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{corner}</sheetData></worksheet>'
    )
    far, out = io.BytesIO(excel(ROWS)), io.BytesIO()
    with zipfile.ZipFile(far) as whole, zipfile.ZipFile(out, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, sheet if name.endswith("sheet1.xml") else whole.read(name))
    return {
        "far.xlsx": out.getvalue(),
        "big.xlsx": zipped(**{"xl/worksheets/sheet1.xml": b" " * 40_000_000}),
        "big.zip": zipped(a__csv=b"a,b\n" + b"1,2\n" * 4_000_000),
        "big.tsv.gz": gzip.compress(b"a\tb\n" + b"1\t2\n" * 4_000_000),
        "big.jsonl.gz": gzip.compress(b'{"a":1}\n' * 4_000_000),
    }


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "0.03")
    for name, content in bombs().items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"unpack to more than 0.03 GB.* set CROWDLLM_STATS_UNPACK_GB"):
            open_table(tmp_path / name)


def test_columns_of_one_name(tmp_path):
    (tmp_path / "a.csv").write_text("id,Q1,Q2,Q1,Q2\na,4,1,4,one\nb,5,2,5,two\n", encoding="utf-8")
    opened = open_table(tmp_path / "a.csv")
    assert list(opened.frame) == ["id", "Q1", "Q2", "Q2 (2)"]
    assert "the same twice" in opened.notes[0]
    assert "the other is now 'Q2 (2)'" in opened.notes[0]


def test_windows_characters_far_behind_the_beginning_are_found(tmp_path):
    rows = "".join(f"q,person {number:040},3\n" for number in range(25_000)) + "q,ren\xe9,5\n"
    (tmp_path / "a.csv").write_bytes(b"problem,participant,response\n" + rows.encode("cp1252"))
    opened = open_table(tmp_path / "a.csv")
    assert opened.frame["participant"].iloc[-1] == "ren\xe9"
    assert "Windows-1252" in opened.notes[0]


def test_two_ticked_options_are_no_decimals_and_points_may_part_thousands():
    from crowdllm_stats.data.formats.text import read_text

    opened = read_text("id\tQ1\tQ2\na\t1,3\t2,5\nb\t2,3\t3,0\n".encode("utf-16"), "a.tsv")
    assert opened.frame.to_dict("list") == {"id": ["a", "b"], "Q1": ["1,3", "2,3"], "Q2": ["2.5", "3.0"]}
    opened = read_text(b"problem;response;x\n1.101;1.500;2,5\n1.102;850;3\n", "a.csv")
    assert opened.frame["response"].tolist() == ["1500", "850"]
    assert opened.frame["problem"].tolist() == ["1.101", "1.102"]
    assert "points between thousands in 'response'" in opened.notes[0]
    opened = read_text(b"problem;response\nq1;1.500\nq2;850\n", "a.csv")
    assert opened.frame["response"].tolist() == ["1.500", "850"]
    assert "points that are read as decimal ones (1.500 is 1.5) in 'response'" in opened.notes[0]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["2,5", "NA", "3", "4,1"], ["2.5", "NA", "3", "4.1"]),
        (["2,5", "about 3,5", "3", "4,1"], ["2.5", "about 3,5", "3", "4.1"]),
        (["2,5", "1.500", "3,5", "4,1"], ["2,5", "1.500", "3,5", "4,1"]),  # may be a thousand or a decimal point
        (["1.500", "850", "NA", "1.250"], ["1500", "850", "NA", "1250"]),
    ],
)
def test_decimal_commas_beside_a_missing_number_or_another_text(tmp_path, cells, read):
    rows = ["problem;participant;response;other", *(f"q;p{row};{cell};2,5" for row, cell in enumerate(cells))]
    (tmp_path / "a.csv").write_text("\n".join(rows), encoding="utf-8")
    assert open_table(tmp_path / "a.csv").frame["response"].tolist() == read
