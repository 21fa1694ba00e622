"""The extras: each declares what its modules import, a missing one is named, and each works installed alone."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from crowdllm_stats._base.extras import EXTRAS, missing_extra
from crowdllm_stats.cli import main

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Extra: the modules that it is for, without a third-party import of another extra when they are loaded.
MODULES = {
    "generator": [
        "crowdllm_stats.generator.crowdllm",
        "crowdllm_stats.semi_implicit",
        "crowdllm_stats.studies.simulators.figure9.simulator",
        "crowdllm_stats.studies.simulators.fits",
        "crowdllm_stats.studies.simulators.trained.digital",
        "crowdllm_stats.evaluation.baselines.from_features",
    ],
    "hf": ["crowdllm_stats.backbones.transformers_backbone", "crowdllm_stats.backbones.fetch"],
    "serve": [],
    "theory": ["crowdllm_stats.verify.run"],
    "dask": ["crowdllm_stats.studies.engine.run"],
    "plot": ["crowdllm_stats.survey.comparison", "crowdllm_stats.studies.report.report"],
    "report": ["crowdllm_stats.report.write"],
    "page": ["crowdllm_stats.report.page.server"],
    "files": ["crowdllm_stats.data.opening"],
    "voting": ["crowdllm_stats.evaluation.bundles"],
    "survey": [],
    "docs": [],
}
#: Packages that an extra brings for what is not loaded with its modules.
BROUGHT = {
    "generator": ["jax", "numpyro", "optax", "arviz", "xarray", "ot", "crowdkit", "sklearn", "threadpoolctl"],
    "hf": ["torch", "transformers", "accelerate", "gguf", "safetensors", "jinja2"],
    "serve": ["transformers", "fastapi", "uvicorn", "openai"],
    "theory": ["sympy", "ot"],
    "dask": ["distributed"],
    "plot": ["matplotlib"],
    "report": ["altair", "vl_convert", "jinja2"],
    "page": ["starlette", "uvicorn", "python_multipart", "jinja2"],
    "files": ["python_calamine", "pyreadstat"],
    "voting": ["pabutools"],
    "survey": ["python_calamine", "pyreadstat", "altair", "starlette", "matplotlib"],
    "docs": ["sphinx", "myst_nb", "furo", "sphinx_copybutton", "sphinxcontrib.programoutput"],
}
#: Extras that "all" leaves out: one whose licence binds whoever passes it on, and one that builds the site.
ASKED_FOR_ALONE = {"voting", "docs"}
#: What the light installation can do.
LIGHT = ["crowdllm_stats", "crowdllm_stats.cli.shell", "crowdllm_stats.survey.intervals", "crowdllm_stats.evaluation"]


def names(requirements: list[str]) -> set[str]:
    """Distributions of a list of requirements, as pip compares names; dask[distributed] is two."""
    wanted = [re.split(r"[<>=!;, ]", entry)[0] for entry in requirements]
    return {part.lower().replace("_", "-") for entry in wanted for part in re.findall(r"[\w.-]+", entry)}


@cache
def distributions() -> dict[str, set[str]]:
    """Top-level module -> the distributions that bring it, of what is installed here."""
    return {
        module: {name.lower().replace("_", "-") for name in found} for module, found in packages_distributions().items()
    }


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imported(node: ast.stmt, package: str) -> set[str]:
    """Modules that one import statement may load, "from a import b" as a and a.b."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *([base] if base else [])])
    return {base} | {f"{base}.{alias.name}" for alias in node.names}


@cache
def imports(module: str, *, when_loaded: bool) -> frozenset[str]:
    """What a module of ours imports: when it is loaded, or anywhere; not for type checkers alone."""
    file = file_of(module)
    assert file is not None, module
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not (when_loaded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            found |= _imported(node, package) if isinstance(node, ast.stmt) else set()
            waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def third_party(found: set[str] | frozenset[str]) -> set[str]:
    tops = {name.split(".")[0] for name in found}
    return tops - set(sys.stdlib_module_names) - {"crowdllm_stats"}


def loaded_with(modules: list[str]) -> set[str]:
    """Third-party modules that are imported when these modules of ours are, through all that they load."""
    seen: set[str] = set()
    waiting, found = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name in seen or file_of(name) is None:
            continue
        seen.add(name)
        own = imports(name, when_loaded=True)
        found |= third_party(own)
        parts = name.split(".")
        waiting += [".".join(parts[:length]) for length in range(1, len(parts))]
        waiting += [entry for entry in own if entry.startswith("crowdllm_stats")]
    return found


def own_modules() -> list[str]:
    files = (ROOT / "crowdllm_stats").rglob("*.py")
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


def undeclared(modules: set[str], declared: set[str]) -> list[str]:
    return sorted(module for module in modules if not distributions().get(module, {module}) & declared)


def test_the_light_installation_loads_nothing_of_an_extra():
    assert undeclared(loaded_with(LIGHT), names(PROJECT["dependencies"])) == []


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_declares_what_its_modules_import(extra):
    declared = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"][extra])
    assert undeclared(loaded_with(MODULES[extra]), declared) == []


def test_the_scan_sees_an_import_that_is_not_declared():
    assert "jax" in loaded_with(["crowdllm_stats.generator.crowdllm"])
    assert undeclared(loaded_with(["crowdllm_stats.generator.crowdllm"]), names(PROJECT["dependencies"])) != []
    assert "matplotlib" in imports("crowdllm_stats.survey.comparison", when_loaded=False) | {
        name.split(".")[0] for name in imports("crowdllm_stats.survey.comparison", when_loaded=False)
    }
    assert "matplotlib" not in loaded_with(["crowdllm_stats.survey.comparison"])


def test_every_optional_import_is_named_with_the_extra_that_declares_it():
    """Also where a function imports it: the command line can then say what to install."""
    optional = {name for module in own_modules() for name in third_party(imports(module, when_loaded=False))}
    optional = set(undeclared(optional, names(PROJECT["dependencies"])))
    assert optional <= set(EXTRAS), "name them in crowdllm_stats/_base/extras.py"
    for module, extra in EXTRAS.items():
        declared = names(PROJECT["optional-dependencies"][extra])
        assert undeclared({module}, declared) == [], f"the extra {extra} does not bring {module}"


def test_the_table_of_this_test_names_every_extra():
    extras = set(PROJECT["optional-dependencies"]) - {"all", "test"}
    assert set(MODULES) == set(BROUGHT) == extras
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert set(everything.partition("[")[2].rstrip("]").split(",")) == extras - ASKED_FOR_ALONE


class Missing:
    """Makes packages look as if they were not installed."""

    def __init__(self, *modules: str) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in self.modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def without(monkeypatch):
    """Hides packages, and forgets the modules of ours that have loaded them."""

    def hide(*modules: str) -> None:
        for name in list(sys.modules):
            if name.split(".")[0] in (*modules, "crowdllm_stats"):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Missing(*modules), *sys.meta_path])

    return hide


@pytest.mark.parametrize(
    ("door", "name", "missing", "extra"),
    [
        ("crowdllm_stats", "CrowdLLM", "jax", "generator"),
        ("crowdllm_stats", "SemiImplicit", "numpyro", "generator"),
        ("crowdllm_stats.backbones", "TransformersBackbone", "torch", "hf"),
    ],
)
def test_a_name_whose_extra_is_missing_says_what_to_install(without, door, name, missing, extra):
    without(missing)
    with pytest.raises(ModuleNotFoundError, match=rf"{missing} is missing: pip install 'crowdllm-stats\[{extra}\]'"):
        getattr(import_module(door), name)


def test_a_population_without_the_extra_says_what_to_install(without):
    without("jax")
    with pytest.raises(ModuleNotFoundError, match=r"jax is missing: pip install 'crowdllm-stats\[generator\]'"):
        import_module("crowdllm_stats").load_population()


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        ("study plan figure9", "jax", "generator"),
        ("study run figure9 --quick --workers 0 --store {folder}/store", "jax", "generator"),
        ("study run own_crowd --workers 0 --store {folder}/store", "jax", "generator"),
        ("simulate offensiveness --n 5 --out {folder}/digital.csv", "jax", "generator"),
        ("fit example:human --backbone smollm2 --embedding minilm --out {folder}/model.npz", "jax", "generator"),
        ("theory verify --only kappa", "sympy", "theory"),
        ("theory list", "sympy", "theory"),
        (f"report {ROOT}/reports/theory --out {{folder}}/report.html", "altair", "report"),
        ("serve --no-browser", "uvicorn", "page"),
        ("backbone check {folder} {folder}/problems.csv --template offensiveness", "torch", "hf"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_install(without, tmp_path, capsys, command, missing, extra):
    (tmp_path / "problems.csv").write_text("problem,text\n1,words\n", encoding="utf-8")
    without(missing)
    assert import_module("crowdllm_stats.cli").main(command.format(folder=tmp_path).split()) == 2
    assert capsys.readouterr().err == f"error: {missing} is missing: pip install 'crowdllm-stats[{extra}]'\n"


def test_a_missing_module_that_no_extra_brings_is_left_alone():
    assert missing_extra(ModuleNotFoundError("No module named 'nothing'", name="nothing")) is None
    assert main(["--version"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["", *MODULES])
def test_an_extra_works_installed_alone(extra, tmp_path):
    """In an environment of its own, with the versions of the lock."""
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    pins = tmp_path / "constraints.txt"
    pins.write_text("\n".join(re.findall(r"^\S+==[^\\\n]+", lock, re.MULTILINE)), encoding="utf-8")
    venv.create(tmp_path / "alone", with_pip=True)
    python = tmp_path / "alone" / ("Scripts" if os.name == "nt" else "bin") / "python"
    what = f"{ROOT}[{extra}]" if extra else str(ROOT)
    install = [python, "-m", "pip", "install", "--quiet", "--prefer-binary", "--constraint", pins, what]
    subprocess.run(install, check=True, cwd=tmp_path)
    wanted = [*LIGHT, *MODULES.get(extra, []), *BROUGHT.get(extra, [])]
    code = f"import importlib, json; [importlib.import_module(name) for name in json.loads({json.dumps(wanted)!r})]"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
