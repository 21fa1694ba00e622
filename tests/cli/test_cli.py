"""The command line as a program: processes, help, failures, what the screen shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from command_line import BOTH, run, run_json, survey

from crowdllm_stats import __version__
from crowdllm_stats.cli import main
from crowdllm_stats.cli.shell import build


def test_the_installed_program_as_a_process(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    fine = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert (fine.returncode, fine.stdout) == (0, f"crowdllm-stats {__version__}\n")
    bad = subprocess.run(
        [program, "interval", "none.csv", "none.csv"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.startswith("error: none.csv: no such file")
    assert bad.stderr.count("\n") == 1


def test_demo_as_a_process_without_data_answers_three_questions() -> None:
    clean = {name: value for name, value in os.environ.items() if name != "CROWDLLM_STATS_DATA"}
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    done = subprocess.run([program, "demo"], capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0
    assert done.stderr == ""
    for words in (
        "95% sure",
        "more human answers",
        "not worse than asking the LLM once",
        "exact sum",
        "published",
        "Next commands",
    ):
        assert words in done.stdout


def test_a_reader_that_stops_early_is_no_failure() -> None:
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    command = [program, "interval", *BOTH, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


#: What no help may load.
HEAVY = (
    "numpy", "pandas", "scipy", "statsmodels", "pyarrow", "httpx", "matplotlib", "altair", "starlette", "jax", "torch",
)  # fmt: skip


def commands(words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, groups of commands among them."""
    command = typer.main.get_command(build([]))
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]  # a group's
    deeper = (commands((*words, name)) for name in getattr(command, "commands", {}))
    return [words, *(one for several in deeper for one in several)]


def test_no_help_loads_anything_heavy() -> None:
    """One process asks for the help of every command; how long that takes is measured by benchmarks/help_speed.py."""
    code = (
        "import sys; from crowdllm_stats.cli import main\n"
        f"for words in {commands()}:\n"
        "    assert main([*words, '--help']) == 0\n"
        f"sys.stderr.write(str([name for name in {HEAVY} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(commands()) > 20
    assert done.stdout.count("Usage: crowdllm-stats") == len(commands())
    assert done.stderr == "[]"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys)
    for command in ("interval", "safe-interval", "risk", "compare", "planner", "demo"):
        assert command in out
        assert "Usage" in run(capsys, command, "--help")
    for group in ("study", "theory", "backbone"):
        assert run(capsys, group) == run(capsys, group, "--help")


def test_any_other_failure_exits_1_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk\nis gone")

    monkeypatch.setattr("crowdllm_stats.cli.inputs.load", broken)
    assert "RuntimeError: the disk is gone" in run(capsys, "interval", *BOTH, code=1)
    monkeypatch.setenv("CROWDLLM_STATS_DEBUG", "1")
    with pytest.raises(RuntimeError, match="is gone"):
        main(["interval", *BOTH])


def test_ctrl_c_exits_1_with_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crowdllm_stats.cli.inputs.load", pressed)
    assert main(["interval", *BOTH]) == 1
    assert capsys.readouterr().err == "error: stopped\n"


def test_ids_with_markup_and_long_ids_leave_numbers_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = survey(tmp_path, "[3-4] [/b] :smile: $\\x$")
    picture = str(tmp_path / "odd.png")
    for command in (("interval",), ("compare", "--first", "1", "--plot", picture)):
        assert "[3-4] [/b] :smile:" in run(capsys, command[0], *odd, *command[1:])
    monkeypatch.setenv("COLUMNS", "80")
    long = survey(tmp_path, "the same long question about life " * 4 + "17")
    row = run_json(capsys, "interval", *long)["results"][0]
    table = run(capsys, "interval", *long)
    line = next(line for line in table.splitlines() if line.startswith("the same"))
    assert "..." in line
    for name in ("estimate", "lower", "upper"):
        assert f"{row[name]:.4g}" in line


def test_every_description_and_option_is_explained_in_sentences() -> None:
    commands = [typer.main.get_command(build([]))]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        texts = [command.help.partition("\f")[0].strip()]
        texts += [parameter.help for parameter in command.params if getattr(parameter, "help", None)]
        for text in texts:
            assert text[0].isupper(), text
            assert text.endswith("."), text
