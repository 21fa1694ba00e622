"""The package on one large GPU: a model of 12 billion weights by batch size, a fit, and Figure 9's grid, beside the CPU.

    make reports NAME=gpu    # the report; on a machine with a GPU and nothing else: bash benchmarks/gpu.sh

No network and no weights are needed: the model has Gemma3-12B's sizes and random weights, which cost what trained ones
cost. Every part runs in a process of its own and for so long at most; what it measured until then is reported. Without a
GPU the report says that nothing was measured, and how to. With --tiny all steps run at tiny sizes on any machine, to see
that they work; its numbers mean nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

#: The word before one part's name, for the process that measures it.
PART = "part"
#: Most seconds of a part.
PARTS = {"model": 170, "gpu": 140, "cpu": 140}
#: Largest change of a log-probability between prompts read alone and in batches, float32.
EXACT = 1e-3
#: Largest change of a probability among the admissible answers, bfloat16 against float32.
ROUGH = 0.1
PICTURES = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
            "image_size": 896, "patch_size": 14}  # fmt: skip
#: Sizes of published models, as their configurations state them; the key is the class of transformers that builds it.
MODELS: dict[str, tuple[str, dict[str, int]]] = {
    "Gemma3-12B": ("Gemma3TextConfig", {"hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48,
                   "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 262208}),
    "Qwen3-8B": ("Qwen3Config", {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936}),
    "Llama-3.1-8B": ("LlamaConfig", {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                     "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256}),
    "Mistral-7B-v0.3": ("MistralConfig", {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32768}),
}  # fmt: skip
CHAT = (
    "{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
Record = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        batches: batch sizes in bfloat16.
        prompts: read in float32, and at least in bfloat16.
        people: who answer the 300 problems of the fit.
        levels: what replaces Figure 9's levels of workers and questions; its quick version by default.
        small: sizes that replace the model's.
    """

    batches: tuple[int, ...] = (1, 8, 32, 128)
    prompts: int = 32
    people: int = 40
    levels: tuple[int, ...] = ()
    small: tuple[tuple[str, int], ...] = ()


LARGE = Sizes()
TINY = Sizes((1, 4), 6, 3, (2,), (
    ("hidden_size", 48), ("intermediate_size", 80), ("num_hidden_layers", 3), ("num_attention_heads", 6),
    ("num_key_value_heads", 3), ("head_dim", 8), ("vocab_size", 4096),
))  # fmt: skip


def configuration(name: str, **others: int) -> Any:
    """A model's configuration, without its part for pictures."""
    import transformers

    kind, sizes = MODELS[name]
    return getattr(transformers, kind)(**{**sizes, **others})


def texts(count: int) -> pd.DataFrame:
    """Different problems of different lengths, made of the example's statements."""
    from crowdllm_stats.data.example import STATEMENTS

    rng = np.random.default_rng(5)
    said = [" ".join([*rng.permutation(STATEMENTS)[: 1 + row % 6], f"({row})"]) for row in range(count)]
    return pd.DataFrame({"problem": [f"q{row}" for row in range(count)], "text": said})


def write_folder(folder: Path, config: Any) -> None:
    """The configuration, and a tokenizer of words from the package's own texts."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from crowdllm_stats.backbones.prompts import Template

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<start_of_turn>", "<end_of_turn>"]
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=special, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    prompt = " ".join(message.content for message in Template.load("offensiveness").messages)
    words.train_from_iterator([prompt, *texts(60)["text"]], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token=special[1], pad_token=special[1])
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(str(folder))
    config.save_pretrained(str(folder))


def model_part(sizes: Sizes) -> Iterator[Record]:
    """Gemma3-12B's sizes with random weights, made on the device."""
    import torch
    import transformers

    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = configuration("Gemma3-12B", **dict(sizes.small))
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), config)
        backbone = TransformersBackbone(folder, template="offensiveness", device=device)
        start = time.perf_counter()
        with torch.device(device):
            network = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        backbone.language_model.network = network
        yield {"table": "model", "weights": sum(one.numel() for one in network.parameters()), "device": name_of(device),
               "seconds": time.perf_counter() - start}  # fmt: skip
        yield from by_batch_size(backbone, sizes)


def by_batch_size(backbone: Any, sizes: Sizes) -> Iterator[Record]:
    """Speed, memory and agreement: in float32 first, then of the same weights in bfloat16."""
    import torch

    problems = texts(max(sizes.prompts, 4 * max(sizes.batches)))
    few = problems.head(sizes.prompts)
    exact, record = timed(backbone, few, 1, "float32")
    yield {**record, "change": 0.0}
    found, record = timed(backbone, few, 8, "float32")
    yield {**record, "change": float(np.abs(found.log_probabilities - exact.log_probabilities).max())}
    with torch.no_grad():
        for one in backbone.language_model.network.parameters():  # not .to(), which rounds the positions as well
            one.data = one.data.to(torch.bfloat16)
    backbone.language_model.dtype = "bfloat16"
    for batch in sizes.batches:
        found, record = timed(backbone, problems.head(max(sizes.prompts, 4 * batch)), batch, "bfloat16")
        both = found.probabilities[: len(few)] - exact.probabilities
        yield {**record, "change": float(np.abs(both).max())}


def timed(backbone: Any, problems: pd.DataFrame, batch: int, dtype: str) -> tuple[Any, Record]:
    """The reference at a batch size, and what it cost; a first batch warms up, and tries the shared beginning."""
    import torch

    from crowdllm_stats.backbones.scoring import Scorer

    model, gpu = backbone.language_model, torch.cuda.is_available()
    backbone._scorer = Scorer(model.network, batch)
    backbone.reference(problems.head(max(2, batch)))
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    found = backbone.reference(problems)  # its numbers are on the processor when it returns
    seconds = time.perf_counter() - start
    options = {"options": backbone.options.text}
    prompts = [model.render(backbone.template.fill({**options, "text": text})) for text in problems["text"]]
    tokens = sum(len(model.encode(prompt, plain=False)) for prompt in prompts)
    return found, {
        "table": "speed", "numbers": dtype, "batch size": batch, "prompts": len(prompts),
        "tokens a prompt": tokens / len(prompts), "prompts per second": len(prompts) / seconds,
        "peak memory, GiB": torch.cuda.max_memory_allocated() / 2**30 if gpu else float("nan"),
    }  # fmt: skip


def name_of(device: str) -> str:
    """The GPU's name as its driver says it."""
    import torch

    return str(torch.cuda.get_device_name()) if device == "cuda" else "CPU"


def learning_part(sizes: Sizes) -> Iterator[Record]:
    """A fit and Figure 9's quick grid on the device that JAX has, each twice: with and without compilation."""
    import jax

    from crowdllm_stats import CrowdLLM, load_population

    population = load_population()
    ids = list(population.fitted.problems)[:300]
    data = population.simulate(ids, sizes.people, seed=1)
    settings: dict[str, Any] = {"steps": 40, "held_out": 0.0} if sizes.small else {}

    def fit(seed: int) -> list[float]:
        model = CrowdLLM(**settings).fit(data, population.fitted, seed=seed)
        return [float(value) for value in model.predict(ids[:20]).mean]

    on = jax.devices()[0]
    yield from twice(f"fit of {len(data.responses):,} answers", fit, on.platform, str(on.device_kind))
    for what, run in grid(sizes):
        yield from twice(what, run, on.platform, str(on.device_kind))


def grid(sizes: Sizes) -> Iterator[tuple[str, Callable[[int], list[float]]]]:
    """Figure 9's quick grid, all fits of one shape side by side."""
    from crowdllm_stats.studies.engine.design_file import read_design, study_file
    from crowdllm_stats.studies.engine.grid import blocks, cells, jobs
    from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9

    only: dict[str, tuple[Any, ...]] = {"reading": ("profile",), "length": ("epochs",)}
    if sizes.levels:
        only |= {"workers": (10,), "questions": (5,), "noise": (1,), "diversity": (1,)}
    design = read_design(study_file("figure9")).narrowed(only).quickened()
    shapes: dict[str, list[Any]] = {}
    for block in blocks(design, FIGURE9):
        shapes.setdefault(block.shape, []).extend(jobs(design, block, cells(design))[: len(block.pairs)])
    for shape, together in shapes.items():

        def run(seed: int, together: list[Any] = together) -> list[float]:
            return [float(value) for value in FIGURE9.run(together, ("crowdllm",))["error"][:, 0]]

        yield f"Figure 9: {len(together)} fits, {shape}", run


def twice(what: str, run: Callable[[int], list[float]], on: str, device: str) -> Iterator[Record]:
    """A first run, which compiles, and a second one; the numbers that the second finds."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        values = run(1)
        seconds.append(time.perf_counter() - start)
    yield {"table": "learning", "what": what, "on": on, "device": device, "first": seconds[0], "again": seconds[1],
           "values": values}  # fmt: skip


def measure(tiny: bool) -> tuple[list[Record], list[str]]:
    """Every part in its own process; its records, and what was not finished, in sentences."""
    records, unfinished = [], []
    for part, limit in PARTS.items():
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "records.jsonl")
            environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            if part == "cpu" or not tiny:
                environment["JAX_PLATFORMS"] = "cpu" if part == "cpu" else "cuda,cpu"  # or else JAX takes what there is
            command = [sys.executable, __file__, PART, part, str(out), *(["--tiny"] if tiny else [])]
            try:
                done = subprocess.run(command, env=environment, timeout=limit, stderr=subprocess.PIPE, text=True)
                if done.returncode:
                    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
                    unfinished.append(f"Part '{part}' failed: {said}; what it had measured is below.")
            except subprocess.TimeoutExpired:
                unfinished.append(f"Part '{part}' was stopped after {limit} s; what it had measured is below.")
            if out.exists():
                records += [{**json.loads(line), "part": part} for line in out.read_text("utf-8").splitlines()]
    return records, unfinished


def run_part(part: str, out: Path, sizes: Sizes) -> None:
    """Measure a part in this process; every record is on disk as soon as it is there."""
    with out.open("w", encoding="utf-8") as file:
        for record in model_part(sizes) if part == "model" else learning_part(sizes):
            print(json.dumps(record), file=file, flush=True)


def memory_table() -> pd.DataFrame:
    """GiB of weights, from configurations alone."""
    from crowdllm_stats.backbones.placement import Size

    rows = []
    for name in MODELS:
        size = Size.of(configuration(name))
        ways = {"float32": size.gib("float32"), "bfloat16 or float16": size.gib("bfloat16"),
                "8bit": size.gib("bfloat16", "8bit"), "4bit": size.gib("bfloat16", "4bit")}  # fmt: skip
        rows.append({"model": name, "weights, billions": size.total / 1e9, **ways})
    return pd.DataFrame(rows)


def model_text(records: list[Record]) -> list[str]:
    """The section on the language model."""
    made = next(one for one in records if one["table"] == "model")
    speed = pd.DataFrame([one for one in records if one["table"] == "speed"])
    words = [
        "## A model of 12 billion weights",
        f"{made['device']}. Gemma3-12B's sizes, {made['weights'] / 1e9:.2f} billion random weights, made in "
        f"{made['seconds']:.0f} s. Template `offensiveness`. "
        "`change` is the largest one: in float32 of a log-probability against one prompt at a time (at most "
        f"{EXACT:g} is asked for), in bfloat16 of a probability against float32 (at most {ROUGH:g}).",
    ]
    if len(speed):
        bounds = speed["numbers"].map({"float32": EXACT, "bfloat16": ROUGH})
        speed["within"] = np.where(speed["change"] <= bounds, "yes", "NO")
        speed["change"] = [f"{value:.1e}" for value in speed["change"]]
        columns = [
            "numbers",
            "batch size",
            "prompts",
            "tokens a prompt",
            "prompts per second",
            "peak memory, GiB",
            "change",
            "within",
        ]
        words.append(markdown_table(speed[columns], 1))
    return words


def seconds_text(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def learning_text(records: list[Record]) -> list[str]:
    """The section on fits: a row for what ran, the two devices side by side."""
    rows = []
    for what in dict.fromkeys(one["what"] for one in records):
        there = {one["part"]: one for one in records if one["what"] == what}
        row = {"what": what}
        for part in ("cpu", "gpu"):
            found = there.get(part, {})
            row[f"{part.upper()}, s"] = seconds_text(found.get("again"))
            row[f"{part.upper()} with compilation, s"] = seconds_text(found.get("first"))
        row["times as fast"] = row["change"] = seconds_text(None)
        if len(there) == 2:
            row["times as fast"] = seconds_text(there["cpu"]["again"] / there["gpu"]["again"])
            row["change"] = f"{np.abs(np.subtract(there['cpu']['values'], there['gpu']['values'])).max():.1e}"
        rows.append(row)
    devices = dict.fromkeys(f"{one['part'].upper()}: {one['device']} ({one['on']})" for one in records)
    return [
        "## Fits",
        f"{'; '.join(devices)}. One process each; a study runs one process per core of the CPU. `change` is the largest "
        "difference of what came out, in units of the answers: predicted means of 20 problems, Figure 9's errors.",
        markdown_table(pd.DataFrame(rows)),
    ]


def report(gpu: str | None, records: list[Record], unfinished: list[str]) -> str:
    """The whole report."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "jax", "numpyro"))
    words = ["# On a GPU", made_by(typed()), f"{os.cpu_count()} cores, {versions}."]
    if gpu is None:
        words += [
            "**Not measured: this machine has no GPU that PyTorch can use.** No number of this report says anything "
            "about speed on one.",
            "How to measure: on a machine with one large GPU (80 GB for float32 and bfloat16 of 12 billion weights) and "
            "builds of PyTorch and JAX for it, without a network: `bash benchmarks/gpu.sh`. It takes at most 8 minutes and "
            "replaces this file by prompts per second and memory by batch size, the agreement of bfloat16 with float32 "
            f"(asked for: {ROUGH:g} in a probability) and of batches with single prompts ({EXACT:g} in a "
            "log-probability), and a fit and Figure 9's quick grid beside the CPU. Its steps are tested at tiny sizes "
            "on a CPU.",
        ]
    words += unfinished
    if any(one["part"] == "model" for one in records):
        words += model_text([one for one in records if one["part"] == "model"])
    if any(one["part"] != "model" for one in records):
        words += learning_text([one for one in records if one["part"] != "model"])
    words += [
        "## How much memory weights take",
        "GiB of weights, worked out from configurations alone as it is done before a model is loaded (Gemma3 without its "
        "part for pictures, 0.4 billion weights more). 8bit and 4bit by bitsandbytes, the rest in bfloat16. A tenth of the "
        "free memory is kept for the work.",
        markdown_table(memory_table(), 1),
    ]
    return "\n\n".join(words) + "\n"


def main() -> None:
    """Measure, where there is a GPU, and write the report."""
    parser = command_line(__doc__, "gpu")
    parser.add_argument("--tiny", action="store_true", help="run all steps at tiny sizes on any machine")
    arguments = parser.parse_args()
    import torch

    gpu = name_of("cuda") if torch.cuda.is_available() else None
    records, unfinished = measure(arguments.tiny) if gpu or arguments.tiny else ([], [])
    if arguments.tiny:
        unfinished.insert(0, "Run at tiny sizes, to see that the steps work: the numbers below mean nothing.")
    text = report(gpu, records, unfinished)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.out / "README.md", text)
    print(text)


if __name__ == "__main__":
    if sys.argv[1:2] == [PART]:
        run_part(sys.argv[2], Path(sys.argv[3]), TINY if "--tiny" in sys.argv else LARGE)
    else:
        main()
