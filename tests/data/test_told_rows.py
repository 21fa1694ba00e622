"""A table that lost rows is refused where a manifest beside it tells how many there were."""

import pytest
from command_line import run

from crowdllm_stats.data.files import read_table


@pytest.fixture
def answers(capsys, tmp_path):
    def made(name="answers.csv"):
        place = tmp_path / name
        arguments = ("--n", "7", "--problem", "1", "--problem", "2")
        run(capsys, "simulate", "offensiveness", *arguments, "--out", str(place))
        return place

    return made


def test_a_whole_table_is_read(answers):
    assert len(read_table(answers())) == 14
    assert len(read_table(answers("answers.parquet"))) == 14


@pytest.mark.parametrize("lines", [2, 9, 14])
def test_a_table_cut_off_between_lines_is_refused(answers, lines):
    place = answers()
    place.write_bytes(b"".join(place.read_bytes().splitlines(keepends=True)[:lines]))
    with pytest.raises(ValueError, match=rf"holds {lines - 1} rows where its manifest says 14: it was cut off; .* re"):
        read_table(place)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_table_cut_off_in_its_last_line_is_refused(answers, lost):
    place = answers()
    place.write_bytes(place.read_bytes()[:-lost])
    with pytest.raises(ValueError, match="it was cut off|is not closed|never closed"):
        read_table(place)


def test_a_changed_table_is_read_without_its_manifest(answers):
    place = answers()
    place.write_bytes(b"".join(place.read_bytes().splitlines(keepends=True)[:5]))
    place.with_name("answers.csv.manifest.json").unlink()
    assert len(read_table(place)) == 4


@pytest.mark.parametrize("content", ["", "[1]", '{"output": 3}', '{"output": {"rows": "many"}}', "{" * 10_000])
def test_what_is_no_manifest_tells_nothing(answers, content):
    place = answers()
    place.write_bytes(b"".join(place.read_bytes().splitlines(keepends=True)[:5]))
    place.with_name("answers.csv.manifest.json").write_text(content)
    assert len(read_table(place)) == 4


def test_other_line_ends_are_no_loss(answers):
    place = answers()
    place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_table(place)) == 14
