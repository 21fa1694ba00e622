"""The documentation site: `make docs`. Every command and every cell on its pages is run when it is built.

The source folder is the root of the project: theory, reports and documents are pages of the site as they stand, and a
link leads to the same page in the repository and on the site.
"""

from __future__ import annotations

import json
import os
import pydoc
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from crowdllm_stats import __version__, load_example
from crowdllm_stats.backbones.fetch import quiet_transformers

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
from tiny_model import write_model  # noqa: E402  # the tests' random model, found only now

#: Where the commands on the pages run; what one of them writes, the next can read.
FILES = ROOT / "out" / "docs-files"

project = "crowdllm-stats"
author = project_copyright = "crowdllm-stats developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinxcontrib.programoutput",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "theory/**.md",
    "reports/**.md",
    "simulations/README.md",
    "crowdllm_stats/generator/populations/*.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "out", "tests", "benchmarks", "requirements", "dist"]
nitpicky = True
# Napoleon takes what stands before a colon in a property's docstring for its type.
nitpick_ignore = [("py:class", word) for word in ("True", "Variance", "A", "them")]
suppress_warnings = ["myst.header"]  # a report may begin below the first level

smartquotes = False  # L' is not L with an apostrophe

html_theme = "furo"
html_title = f"crowdllm-stats {release}"
html_extra_path = ["first_page"]  # sends the site's address to docs/index.html
html_show_sourcelink = html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_merge_streams = True

autodoc_typehints = "none"  # the docstrings say what a value must be, and its shape
copybutton_prompt_text = "$ "

#: What the last verification said of each result of theory/.
RESULTS = {
    result["name"]: result
    for result in json.loads((ROOT / "reports" / "theory" / "theory.json").read_text(encoding="utf-8"))["results"]
}


#: What is shown of it.
WORDS = {"Published": "published", "Verdict": "verdict", "Exact": "exact", "Evidence": "evidence"}


def before(_: Sphinx) -> None:
    """A folder for the commands with two files and a random model, and the commands of the Python that builds."""
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir(parents=True)
    example = load_example()
    table = example.human.responses.pivot(index="participant", columns="problem", values="response").astype("Int64")
    people = example.human.participants.set_index("participant")
    people.join(table).to_csv(FILES / "survey.csv")
    columns = ["problem", "participant", "response"]
    example.digital.responses[columns].to_json(FILES / "llm.jsonl", orient="records", lines=True)
    with quiet_transformers():
        write_model(FILES / "tiny-model")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["COLUMNS"] = "80"


def with_verdict(_: Sphinx, page: str, source: list[str]) -> None:
    """Put the verdict below the title of a result's page, and the list of all results at the end of theory/README."""
    if page == "theory/README":
        pages = "\n".join(f"{name}/README" for name in RESULTS)
        source[0] += f"\n## All results\n\n```{{toctree}}\n:maxdepth: 1\n\n{pages}\n```\n"
    elif page.startswith("theory/"):
        found = RESULTS[page.split("/")[1]]
        title, rest = source[0].split("\n", 1)
        lines = [f"**{word}:** {found[key]}" for word, key in WORDS.items()]
        listed = "".join(f"\n- {line}" for line in lines)
        source[0] = f"{title}\n\n```{{admonition}} What the machine checked\n{listed}\n```\n{rest}"


def named_alone(_: Sphinx, __: Any, node: Any, content: Any) -> Any:
    """A reference to something that exists but has no entry on the site stays as its name; any other is a warning."""
    name = node["reftarget"]
    if node.get("refdomain") != "py":
        return None
    first, *rest = name.split(".")
    for module in [module for own, module in sys.modules.items() if own.startswith("crowdllm_stats")]:
        found = vars(module).get(first)
        for part in rest:
            found = getattr(found, part, None)
        if found is not None:
            return content
    is_text = not re.fullmatch(r"[\w.]+", name)
    return content if is_text or pydoc.locate(name) is not None else None


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("builder-inited", before)
    app.connect("source-read", with_verdict)
    app.connect("missing-reference", named_alone)
