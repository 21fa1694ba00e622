"""Fuzzing: every reader gets thousands of damaged inputs; what it reads is compared with a second opinion."""

from __future__ import annotations

import json

import numpy as np
import pytest

from faults import seeds, targets
from faults.fuzzing import fuzz
from faults.mutators import damaged, flipped


@pytest.fixture
def rng(campaign):
    return np.random.default_rng(campaign.seed)


def test_csv(campaign, rng, tmp_path):
    attack = "A CSV file with one to four kinds of damage is read (checked cell by cell with Python's csv module)"
    fuzz(campaign, attack, 8000, lambda: damaged(seeds.TABLES, rng), targets.csv_table, tmp_path)


def test_packed_csv(campaign, rng, tmp_path):
    attack = "A .csv.gz file with one or two kinds of damage is read"
    before = "2,215 of 5,329 lost (zlib.error)"
    fuzz(campaign, attack, 5000, lambda: damaged(seeds.PACKED, rng, 2), targets.gzip_table, tmp_path, before)


def test_parquet(campaign, rng, tmp_path):
    content = seeds.parquet_file()
    attack = "One bit of a Parquet file that the package wrote is flipped (other names of columns are seen)"
    before = "144 of 3,000 silent, 72 lost"
    fuzz(campaign, attack, 3000, lambda: flipped(content, rng), targets.parquet_table, tmp_path, before)


def test_damaged_parquet(campaign, rng, tmp_path):
    content = seeds.parquet_file()
    attack = "A Parquet file that the package wrote is cut, zeroed or changed in stretches"
    fuzz(campaign, attack, 2000, lambda: damaged([content], rng, 2), targets.parquet_table, tmp_path)


def test_pairs_of_tables(campaign, rng, tmp_path):
    attack = "The command interval reads two tables with one or two kinds of damage"
    fuzz(campaign, attack, 400, lambda: damaged([seeds.PAIR], rng, 2), targets.two_tables, tmp_path)


def test_answers(campaign, rng, tmp_path):
    attack = "A table of answers with one or two kinds of damage is read (ids and answers checked)"
    fuzz(campaign, attack, 3000, lambda: damaged(seeds.TABLES[2:], rng, 2), targets.answers, tmp_path)


def test_scales(campaign, rng, tmp_path):
    attack = "A scale is typed with hostile characters"
    fuzz(campaign, attack, 40_000, lambda: damaged(seeds.SCALES, rng), targets.scale, tmp_path)


def test_templates(campaign, rng, tmp_path):
    attack = "A prompt template with damage is read and filled"
    fuzz(campaign, attack, 5000, lambda: damaged(seeds.TEMPLATES, rng), targets.template, tmp_path)


def test_studies(campaign, rng, tmp_path):
    attack = "A study file with damaged bytes is read"
    fuzz(campaign, attack, 1200, lambda: damaged(seeds.STUDIES, rng, 2), targets.study, tmp_path)


def test_studies_with_other_values(campaign, rng, tmp_path):
    attack = "A study file has a value of another type, or lacks one"
    fuzz(campaign, attack, 4000, lambda: seeds.exchanged_study(rng), targets.study, tmp_path, "28 of 3,000 lost")


def test_servers(campaign, rng, tmp_path):
    attack = "A server answers with JSON that has other values or lacks some"
    make = lambda: json.dumps(seeds.exchanged(seeds.CHAT, rng)).encode()  # noqa: E731 - named like its siblings
    fuzz(campaign, attack, 20_000, make, targets.chat, tmp_path)


def test_references(campaign, rng, tmp_path):
    content = seeds.reference_file()
    attack = "A file of reference answers (.npz) with damaged bytes is read"
    fuzz(campaign, attack, 3000, lambda: damaged([content], rng, 2), targets.reference, tmp_path)


def test_references_with_other_arrays(campaign, rng, tmp_path):
    content = seeds.reference_file()
    attack = "A file of reference answers holds another array, or lacks one"
    make = lambda: seeds.exchanged_arrays(content, rng)  # noqa: E731 - named like its siblings
    fuzz(campaign, attack, 2000, make, targets.reference, tmp_path, "48 of 1,500 silent")


def test_caches(campaign, rng, tmp_path):
    content = seeds.cache_file()
    attack = "One bit of a cache of answers is flipped (an entry not found is asked again)"
    fuzz(campaign, attack, 1500, lambda: flipped(content, rng), targets.cache, tmp_path, "12 of 4,000 lost")
