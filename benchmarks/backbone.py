"""Speed of the local backbone: by batch size, and against generation; what batching and the cache change.

    make reports NAME=backbone    # the report; a look at it under out/: python benchmarks/backbone.py

Needs the fetched models (`crowdllm-stats backbone fetch smollm2`, `... minilm`) and POPQUORN. Every batch size runs in
a process of its own, so that its peak memory is its own. Probabilities and generation run in one process in turn, on
texts of the same lengths, and ratios are taken round by round: other work on the machine then weighs on both sides.
On a busy machine set OMP_NUM_THREADS=1: threads that wait for each other's cores make every number worse.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_file, write_whole
from crowdllm_stats.data import popquorn
from reports import command_line, typed

PROBLEMS, GENERATED, K, NEW_TOKENS, ROUNDS = 64, 4, 8, 4, 2
#: Batch size and type of number.
RUNS = ((1, "float32"), (8, "float32"), (32, "float32"), (8, "bfloat16"))
#: The word before one batch size's numbers, for a process that measures it.
PART = "part"


def texts():
    """64 texts spread evenly over the order of lengths, shortest first."""
    problems = popquorn("offensiveness").problems
    order = np.argsort(problems["text"].str.len().to_numpy(), kind="stable")
    return problems.iloc[order[np.linspace(0, len(order) - 1, PROBLEMS).astype(int)]].reset_index(drop=True)


def made(**settings):
    from crowdllm_stats.backbones import TransformersBackbone

    backbone = TransformersBackbone("smollm2", template="offensiveness", **settings)
    backbone.language_model.network  # noqa: B018 - loads the weights before the clock starts
    return backbone


def seconds(work):
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def part(batch_size, dtype, out):
    """One batch size in this process, then again from the cache; numbers to a file."""
    problems = texts()
    backbone = made(batch_size=batch_size, dtype=dtype, cache=f"{out}.sqlite")
    wall, processor, found = seconds(lambda: backbone.reference(problems))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    stored_wall, _, again = seconds(lambda: backbone.reference(problems))
    assert again.source["prompts_computed"] == 0
    with whole_file(out) as file:
        np.savez(file, log_probabilities=found.log_probabilities, stored=again.log_probabilities, numbers=[wall, processor, peak, stored_wall])  # fmt: skip


def by_batch_size(folder):
    rows, logs, stored = [], {}, {}
    for batch_size, dtype in RUNS:
        out = Path(folder, f"{batch_size}_{dtype}.npz")
        subprocess.run([sys.executable, __file__, PART, json.dumps([batch_size, dtype, str(out)])], check=True)
        with np.load(out) as file:
            wall, processor, peak, stored_wall = file["numbers"]
            logs[batch_size, dtype] = file["log_probabilities"]
            stored[batch_size, dtype] = file["stored"], stored_wall
        rows.append((batch_size, dtype, PROBLEMS / wall, PROBLEMS / processor, peak))
    names = ["batch size", "numbers", "problems per second", "problems per processor second", "peak memory, MiB"]
    return pd.DataFrame(rows, columns=names), logs, stored


def naive(backbone, problems):
    """What users write: `generate` with several return sequences, prompt by prompt."""
    import torch

    model = backbone.language_model
    torch.manual_seed(1)
    for text in problems["text"]:
        values = {"text": text, "options": backbone.options.text}
        ids = model.tokenizer(
            model.render(backbone.template.fill(values)), return_tensors="pt", add_special_tokens=False
        )
        with torch.inference_mode():
            model.network.generate(**ids, do_sample=True, num_return_sequences=K, max_new_tokens=NEW_TOKENS,
                                   pad_token_id=model.tokenizer.pad_token_id)  # fmt: skip


def against_generation():
    """Seconds per problem, wall and processor, of three ways, round by round: shape (rounds, 3, 2)."""
    problems, backbone = texts(), made()
    some = problems.iloc[PROBLEMS // GENERATED // 2 :: PROBLEMS // GENERATED]
    assert len(some) == GENERATED
    backbone.reference(some)  # warm up
    rounds, failures = [], 0
    for _ in range(ROUNDS):
        ours = seconds(lambda: backbone.reference(problems))[:2]
        theirs = seconds(lambda: naive(backbone, some))[:2]
        *shared, drawn = seconds(lambda: backbone.generate(some, K, max_new_tokens=NEW_TOKENS, seed=1))
        rounds.append([np.array(ours) / PROBLEMS, np.array(theirs) / GENERATED, np.array(shared) / GENERATED])
        failures = drawn.failures / drawn.places.size
    characters = problems["text"].str.len().mean(), some["text"].str.len().mean()
    return np.array(rounds), failures, characters


def embedding():
    from crowdllm_stats.backbones import embed

    everything = popquorn("offensiveness").problems["text"].tolist()
    wall, processor, found = seconds(lambda: embed(everything, "minilm"))
    return len(everything), wall, processor, found.truncated


def main():
    out = command_line(__doc__, "backbone").parse_args().out
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        table, logs, stored = by_batch_size(folder)
    single = logs[1, "float32"]
    kept, stored_seconds = stored[8, "float32"]
    stored_error = np.abs(kept - single).max()
    rounds, failures, characters = against_generation()
    ratio = rounds / rounds[:, :1]
    count, wall, processor, cut = embedding()
    ways = pd.DataFrame(
        {
            "way": ["probabilities", f"`generate(num_return_sequences={K}, max_new_tokens={NEW_TOKENS})`", "generation here, prompt read once"],
            "seconds per problem": np.median(rounds[:, :, 0], axis=0),
            "processor seconds per problem": np.median(rounds[:, :, 1], axis=0),
            "times the first, wall (each round)": [", ".join(f"{value:.1f}" for value in ratio[:, way, 0]) for way in range(3)],
            "times the first, processor (each round)": [", ".join(f"{value:.1f}" for value in ratio[:, way, 1]) for way in range(3)],
        }
    )  # fmt: skip
    rough = np.abs(np.exp(logs[8, "bfloat16"]) - np.exp(single)).max()
    text = f"""# The local backbone: speed, memory, exactness

{made_by(typed())} {platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, transformers {transformers.__version__}.

SmolLM2-135M-Instruct (a demonstration model: it proves the pipeline and is not evidence of what language models think), {PROBLEMS} POPQUORN texts spread evenly over the lengths, template `offensiveness`. Other work may have shared the processor; the columns in processor seconds and the ratios suffer less from it than seconds on the clock.

## By batch size

{markdown_table(table, 2)}

Peak memory is the whole process, the model's 514 MiB of float32 weights included.

## Against generation

{K} answers per problem in three ways; from probabilities any number of draws costs nothing more. Probabilities on all {PROBLEMS} texts (mean {characters[0]:.0f} characters), generation on {GENERATED} of them (mean {characters[1]:.0f} characters), batch size 8.

{markdown_table(ways, 2)}

Probabilities against the usual call: {np.median(ratio[:, 1, 1]):.0f} times faster in processor seconds, {np.median(ratio[:, 1, 0]):.0f} times on the clock. {failures:.0%} of the generated texts were not an admissible answer; probabilities have no such failures and report the admissible mass instead.

## Exactness

Largest change of a log-probability against one prompt at a time, float32: {np.abs(logs[8, "float32"] - single).max():.1e} with batches of 8, {np.abs(logs[32, "float32"] - single).max():.1e} with batches of 32, {stored_error:.1e} from the cache (batches of 8; all {PROBLEMS} in {stored_seconds:.2f} s). In bfloat16 a probability moved by up to {rough:.3f}: approximate.

## Embeddings

{count:,} texts by all-MiniLM-L6-v2, with loading: {wall:.0f} s on the clock, {processor:.0f} processor seconds ({cut} texts cut at 256 tokens).
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "README.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == [PART]:
        part(*json.loads(sys.argv[2]))
    else:
        sys.exit(main())
