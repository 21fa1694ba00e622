"""The answer cache: exact, one entry a repeat, nothing lost by several writers or a crash, other files refused."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats.backbones import cache as cache_module
from crowdllm_stats.backbones.cache import AnswerCache

KEY = {"model": "m", "revision": None, "options": ["1", "2"], "temperature": 0.5, "prompt": "p\u00e9\n", "repeat": 0}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "folder" / "answers.sqlite"


def test_numbers_come_back_as_the_floats_they_were(place):
    values = [-0.1, 1 / 3, -math.inf, 5e-324, -0.0, 1.7976931348623157e308]
    with AnswerCache(place) as cache:
        cache.put(KEY, values)
        cache.put({**KEY, "prompt": "other"}, [])
    with AnswerCache(place) as cache:
        found = cache.get(KEY)
        assert found == values
        assert math.copysign(1.0, found[4]) == -1.0
        assert cache.get({**KEY, "prompt": "other"}) == []
        assert len(cache) == 2


def test_the_order_of_a_key_does_not_matter_and_every_value_does(place):
    with AnswerCache(place) as cache:
        cache.put(KEY, [1.0])
        assert cache.get(dict(reversed(KEY.items()))) == [1.0]
        for name, other in [("model", "M"), ("revision", ""), ("options", ["2", "1"]), ("temperature", 0.25),
                            ("prompt", "pe\u0301\n"), ("repeat", 1), ("repeat", "0")]:  # fmt: skip
            assert cache.get({**KEY, name: other}) is None
        assert cache.get({**KEY, "more": None}) is None


def test_repeats_stay_as_many_answers_as_were_given(place):
    keys = [{**KEY, "repeat": repeat} for repeat in range(7)]
    draws = [[float(repeat % 3)] for repeat in range(7)]
    with AnswerCache(place) as cache:
        cache.put_many(zip(keys, draws, strict=True))
        assert len(cache) == 7
        assert cache.get_many(keys) == draws
        assert cache.get_many([keys[5], {**KEY, "repeat": 7}, keys[2], keys[5]]) == [[2.0], None, [2.0], [2.0]]


def test_the_first_answer_under_a_key_stays(place):
    with AnswerCache(place) as cache:
        cache.put(KEY, [1.0])
        cache.put(KEY, [2.0, 3.0])
        assert cache.get(KEY) == [1.0]


def test_more_keys_than_one_statement_takes(place):
    keys = [{"prompt": str(number)} for number in range(1234)]
    with AnswerCache(place) as cache:
        cache.put_many((key, [float(key["prompt"])]) for key in keys[::2])
        found = cache.get_many(keys)
        assert found == [[float(n)] if n % 2 == 0 else None for n in range(1234)]
        assert cache.get_many([]) == []


@settings(max_examples=40, deadline=None)
@given(
    key=st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(),
                  st.lists(st.text(), max_size=3)),
        min_size=1,
        max_size=4,
    ),
    values=st.lists(st.floats(allow_nan=False), max_size=5),
)  # fmt: skip
def test_any_json_key_and_any_numbers_make_the_round_trip(tmp_path_factory, key, values):
    with AnswerCache(tmp_path_factory.mktemp("any") / "c.sqlite") as cache:
        cache.put(key, values)
        assert cache.get(json.loads(json.dumps(key))) == values


def test_a_batch_with_a_bad_entry_stores_nothing(place):
    with AnswerCache(place) as cache:
        with pytest.raises(ValueError, match="NaN"):
            cache.put_many([({"prompt": "a"}, [1.0]), ({"prompt": "b"}, [math.nan])])
        assert len(cache) == 0


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ({}, [1.0], "at least one entry"),
        ("text", [1.0], "must be a dictionary"),
        ({1: "a"}, [1.0], "text names"),
        ({"a": np.float32(1)}, [1.0], "JSON values only.*NumPy"),
        ({"a": math.inf}, [1.0], "JSON values only"),
        ({"a": 1}, ["x"], "list of numbers"),
        ({"a": 1}, 3.0, "list of numbers"),
        ({"a": 1}, [math.nan], "NaN"),
    ],
)
def test_bad_keys_and_values_are_refused(place, key, values, message):
    with AnswerCache(place) as cache, pytest.raises(ValueError, match=message):
        cache.put(key, values)


def test_a_closed_cache_says_so(place):
    cache = AnswerCache(place)
    cache.close()
    cache.close()
    with pytest.raises(ValueError, match="is closed"):
        cache.get(KEY)


WRITER = """
import sys
from crowdllm_stats.backbones.cache import AnswerCache
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with AnswerCache(path) as cache:
    for number in range(count):
        cache.put({"writer": name, "number": number}, [float(number), 0.1])
        print(number, flush=True)
"""


def test_a_file_that_another_process_makes_at_this_moment_is_taken(place, monkeypatch):
    """The other one commits the whole file right after the first look at it."""
    connect, looks = sqlite3.connect, []

    class Watched(sqlite3.Connection):
        def execute(self, *words):
            found = super().execute(*words)
            if not looks:
                looks.append(words)
                rows = found.fetchall()
                AnswerCache(place).close()
                return Rows(rows)
            return found

    class Rows:
        def __init__(self, rows):
            self.rows = rows

        def fetchone(self):
            return self.rows[0]

    first = [{"factory": Watched}]
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **named: connect(*given, **named, **(first.pop() if first else {}))
    )
    with AnswerCache(place) as cache:
        assert len(looks) == 1
        assert cache.get({"model": "m"}) is None


def test_several_processes_that_make_and_fill_one_file_lose_nothing(place):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(place), name, "60"], stdout=subprocess.DEVNULL)
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    with AnswerCache(place) as cache:
        assert len(cache) == 180
        assert all(
            cache.get({"writer": name, "number": number}) == [float(number), 0.1]
            for name in "abc"
            for number in (0, 59)
        )


def test_several_threads_share_one_cache(place):
    with AnswerCache(place) as cache:

        def write(name):
            for number in range(40):
                cache.put({"writer": name, "number": number}, [float(number)])

        threads = [threading.Thread(target=write, args=(name,)) for name in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(cache) == 200


def test_a_killed_writer_leaves_every_answer_that_it_had_stored(place):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), "k", "1000000"], stdout=subprocess.PIPE, text=True
    ) as writer:
        seen = [int(writer.stdout.readline()) for _ in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(timeout=60)
        seen += [int(line) for line in writer.stdout.read().split()]
    with AnswerCache(place) as cache:
        assert len(seen) >= 25
        assert all(cache.get({"writer": "k", "number": number}) == [float(number), 0.1] for number in seen)
        cache.put(KEY, [1.0])
        assert cache.get(KEY) == [1.0]


def test_a_log_that_is_cut_off_leaves_the_answers_before_the_cut(place):
    source = AnswerCache(place)
    source.put({"n": 0}, [0.0])
    source._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(1, 9):
        source.put({"n": number}, [float(number)])
    log = place.with_name(place.name + "-wal")
    copy = place.with_name("copy.sqlite")
    copy.write_bytes(place.read_bytes())
    copy.with_name("copy.sqlite-wal").write_bytes(log.read_bytes()[: int(log.stat().st_size * 0.6)])
    source.close()
    with AnswerCache(copy) as cache:
        found = [cache.get({"n": number}) for number in range(9)]
    kept = next(number for number, values in enumerate(found) if values is None)
    assert 1 <= kept < 9
    assert found == [[float(number)] for number in range(kept)] + [None] * (9 - kept)


def one_clear_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert "name another file, or move this one away" in text
    return text


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("problem,participant\n" * 100, encoding="utf-8")
    with pytest.raises(ValueError, match="ratings.csv is not a whole answer cache") as error:
        AnswerCache(path)
    one_clear_line(error)
    assert path.read_text(encoding="utf-8") == "problem,participant\n" * 100
    assert [file.name for file in tmp_path.iterdir()] == ["ratings.csv"]


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match="SQLite file of something else") as error:
        AnswerCache(path)
    one_clear_line(error)
    assert path.read_bytes() == before


def test_another_format_is_refused(place):
    AnswerCache(place).close()
    connection = sqlite3.connect(place)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(ValueError, match="format is version 2, this release reads version 1") as error:
        AnswerCache(place)
    one_clear_line(error)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE answers SET key = replace(key, 'm', 'n')", "hash of another key"),
        ("UPDATE answers SET numbers = x'0000000000000000'", "do not match their checksum"),
        ("UPDATE answers SET numbers = x'00'", "do not match their checksum"),
        ("UPDATE answers SET numbers = 'abcdefgh'", "do not match their checksum"),
        ("UPDATE answers SET numbers = 7", "do not match their checksum"),
        ("UPDATE answers SET checksum = 'abc'", "do not match their checksum"),
        ("UPDATE answers SET key = CAST(x'ff0aff' AS TEXT)", "hash of another key"),
        ("DROP TABLE answers", "no such table"),
    ],
)
def test_a_changed_entry_is_noticed(place, change, reason):
    with AnswerCache(place) as cache:
        cache.put(KEY, [1.0])
        connection = sqlite3.connect(place)
        connection.execute(change)
        connection.commit()
        connection.close()
        with pytest.raises(ValueError, match=reason) as error:
            cache.get(KEY)
    one_clear_line(error)


def test_overwritten_pages_are_noticed(place):
    keys = [{"prompt": "x" * 200, "repeat": number} for number in range(300)]
    with AnswerCache(place) as cache:
        cache.put_many((key, [1.0, 2.0]) for key in keys)
    content = bytearray(place.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    place.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="not a whole answer cache") as error, AnswerCache(place) as cache:
        cache.get_many(keys)
    one_clear_line(error)


def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="cannot be used"):
        AnswerCache(tmp_path)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        AnswerCache(tmp_path / "file" / "answers.sqlite")


def test_a_cache_of_another_process_is_refused(place, monkeypatch):
    cache = AnswerCache(place)
    monkeypatch.setattr(cache_module.os, "getpid", lambda: -1)
    with pytest.raises(ValueError, match="opened in another process"):
        cache.get(KEY)
    monkeypatch.undo()
    cache.close()


def test_nobody_else_can_read_a_cache_from_its_first_byte(place, monkeypatch):
    seen = []
    connect = sqlite3.connect

    def watched(path, **settings):
        seen.append((path.stat().st_size, stat.S_IMODE(path.stat().st_mode)))
        return connect(path, **settings)

    monkeypatch.setattr(cache_module.sqlite3, "connect", watched)
    before = os.umask(0)
    try:
        with AnswerCache(place) as cache:
            cache.put(KEY, [1.0])
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in place.parent.iterdir()}
    finally:
        os.umask(before)
    assert seen == [(0, 0o600)]
    assert files == dict.fromkeys([place.name, f"{place.name}-wal", f"{place.name}-shm"], 0o600)


def test_a_cache_that_is_shared_on_purpose_stays_so(place):
    AnswerCache(place).close()
    place.chmod(0o660)
    AnswerCache(place).close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o660
