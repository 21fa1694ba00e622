"""What a command writes never replaces what it reads, nor anything that is not ours; found out before the work."""

import json
import os
from pathlib import Path

import pytest
from command_line import BOTH, run, survey, write

from crowdllm_stats.cli.out_check import check_file, check_folder, same_file

MARK = ["scores.csv.manifest.json"]


@pytest.fixture
def tables(tmp_path, monkeypatch):
    survey(tmp_path)
    monkeypatch.chdir(tmp_path)
    return "humans.csv", "digital.csv", "--scale", "1:5"


def linked(name):
    os.link(name, "hard.csv")
    return "hard.csv"


def pointed(name):
    Path("soft.csv").symlink_to(name)
    return "soft.csv"


NAMES = {
    "itself": lambda name: name,
    "relative": lambda name: f"./{name}",
    "absolute": lambda name: str(Path(name).absolute()),
    "through another folder": lambda name: f"../{Path.cwd().name}/{name}",
    "hard link": linked,
    "symbolic link": pointed,
}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_input_is_written_over_under_any_name(capsys, tables, place, name):
    before = [Path(table).read_bytes() for table in tables[:2]]
    assert "this is the input file" in run(capsys, "interval", *tables, "--out", name(tables[place]), code=2)
    assert [Path(table).read_bytes() for table in tables[:2]] == before
    assert not list(Path().glob("*.manifest.json"))


@pytest.mark.parametrize("option", ["problems", "participants", "template", "backbone"])
def test_every_parameter_counts(tmp_path, option):
    place = write(tmp_path / "x.npz", "good")
    with pytest.raises(ValueError, match=r"^--out .*x\.npz: this is the input file"):
        check_file("--out", Path(place), [".npz"], {"out": Path(place), option: place})
    with pytest.raises(ValueError, match="this is the input file"):
        check_file("--out", Path(place), [".npz"], {"out": Path(place), option: ["other", place]})


def test_two_outputs_are_two_files(tmp_path):
    one, other = tmp_path / "a.csv", tmp_path / "." / "A.csv"
    with pytest.raises(ValueError, match="this is the output file"):
        check_file("--reference-out", other, [".csv"], {"out": one, "reference_out": other})


def test_the_manifest_replaces_neither_an_input_nor_what_is_no_manifest(tmp_path):
    out, place = tmp_path / "a.csv", write(tmp_path / "a.csv.manifest.json", "{}")
    with pytest.raises(ValueError, match="its manifest would replace the input file"):
        check_file("--out", out, [".csv"], {"out": out, "template": place})
    with pytest.raises(ValueError, match="its manifest would replace .*, which is not a manifest"):
        check_file("--out", out, [".csv"], {"out": out})
    write(tmp_path / "a.csv.manifest.json", json.dumps({"program": "crowdllm-stats"}))
    check_file("--out", out, [".csv"], {"out": out})


def test_files_of_the_data_folder_stay(tmp_path, monkeypatch):
    (tmp_path / "popquorn").mkdir()
    out = Path(write(tmp_path / "popquorn" / "raw_data.csv", "good"))
    message = "is a file of the folder .* that is read"
    with pytest.raises(ValueError, match=message):
        check_file("--out", out, [".csv"], {"data": tmp_path})
    monkeypatch.setenv("CROWDLLM_STATS_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=message):
        check_file("--out", out, [".csv"], {})


def test_a_long_text_is_no_file(tmp_path):
    check_file("--out", tmp_path / "a.csv", [".csv"], {"context": "long " * 2000, "n": 3, "problem": None})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_file_is_found_before_the_work(capsys, monkeypatch):
    monkeypatch.setattr("crowdllm_stats.cli.inputs.load", None)  # no work is done
    said = run(capsys, "risk", *BOTH, "--out", "/proc/x.csv", code=2)
    assert "--out /proc/x.csv cannot be written" in said


def test_a_new_an_empty_and_an_own_folder_are_taken(tmp_path):
    check_folder("--out", tmp_path / "a" / "b", MARK, {})
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "a" / "b" / ".123.half").mkdir()  # as a kill leaves it
    check_folder("--out", tmp_path / "a" / "b", MARK, {})
    write(tmp_path / "a" / "b" / MARK[0], json.dumps({"program": "crowdllm-stats"}))
    write(tmp_path / "a" / "b" / "README.md", "# Data\n\nMade by `crowdllm-stats evaluate`.\n")
    check_folder("--out", tmp_path / "a" / "b", MARK, {})


@pytest.mark.parametrize("name", ["notes.txt", "scores.csv", "README.md", MARK[0]])
def test_a_folder_with_other_things_stays_untouched(tmp_path, name):
    write(tmp_path / name, "Mine. Made by `crowdllm-stats`")
    with pytest.raises(ValueError, match="holds (other files|a README.md that no command made)"):
        check_folder("--out", tmp_path, MARK, {})
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_readme_of_ones_own_stays_beside_a_report(tmp_path):
    write(tmp_path / MARK[0], json.dumps({"program": "crowdllm-stats"}))
    write(tmp_path / "README.md", "# My notes\n")
    with pytest.raises(ValueError, match=r"holds a README\.md that no command made"):
        check_folder("--out", tmp_path, MARK, {})


def test_no_input_lies_in_the_folder_of_a_report(tmp_path):
    write(tmp_path / MARK[0], json.dumps({"program": "crowdllm-stats"}))
    place = write(tmp_path / "shares.csv", "problem,response\n")
    with pytest.raises(ValueError, match="holds the input file"):
        check_folder("--out", tmp_path, MARK, {"data": place})


@pytest.mark.parametrize("command", [("study", "run", "coverage", "--workers", "0"), ("theory", "verify")])
def test_commands_leave_a_folder_of_others_untouched(capsys, tmp_path, monkeypatch, command):
    write(tmp_path / "README.md", "# Mine\n")
    monkeypatch.chdir(tmp_path)
    for option in ("--out", "--store") if command[0] == "study" else ("--out",):
        assert "holds a README.md that no command made" in run(capsys, *command, option, ".", code=2)
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_names_of_one_file(tmp_path):
    place = write(tmp_path / "a", "x")
    assert same_file(place, tmp_path / "." / "a")
    assert not same_file(place, tmp_path / "A") or (tmp_path / "A").exists()
    assert not same_file(place, "a\0b")
