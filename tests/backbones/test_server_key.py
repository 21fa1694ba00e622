"""ServerBackbone and the key: where it goes, where it never stands, and that it changes no answer."""

from __future__ import annotations

import base64
import json

import pytest
from stub_server import PROBLEMS, backbone, give_tokens, says, serve

from crowdllm_stats.backbones import Reference
from crowdllm_stats.backbones.http_json import ServerError

KEY = "sk-secret-5f1c"


def test_the_key_is_sent_and_stands_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = tmp_path / "answers.sqlite"
    with serve(give_tokens) as stub:
        asked = backbone(stub.url, cache=path, api_key_env="OPENAI_API_KEY")
        reference = asked.reference(PROBLEMS)
    assert {headers["Authorization"] for headers in stub.headers} == {f"Bearer {KEY}"}
    reference.save(tmp_path / "r.npz")
    again = Reference.load(tmp_path / "r.npz")
    shown = [repr(asked), str(vars(asked)), str(vars(asked._server)), str(reference), json.dumps(dict(again.source))]
    assert not any(KEY in text for text in shown)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_key_that_is_an_answer_changes_no_answer(monkeypatch):
    """Four replies, of which the key would garble three."""
    for key in ("1", "11", "choices", "content", "1111"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with serve(lambda body, number: (200, says(["1", "1", "1", "3"][number % 4]))) as stub:
            asked = backbone(stub.url, mode="samples", k=4, concurrency=1, api_key_env="OPENAI_API_KEY")
            found = asked.reference(PROBLEMS)
        assert found.mean[:, 0].tolist() == [1.5] * 4
        assert {headers["Authorization"] for headers in stub.headers} == {f"Bearer {key}"}


def test_no_key_goes_to_a_server_for_which_it_was_not_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(give_tokens) as stub:
        backbone(stub.url).reference(PROBLEMS)
    assert not any("Authorization" in headers for headers in stub.headers)


def test_a_server_that_calls_its_model_by_the_key_does_not_bring_it_into_the_source(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answer = {**says("2"), "model": f"model of {KEY}"}
    with serve(lambda body, number: (200, answer)) as stub:
        found = backbone(stub.url, mode="samples", api_key_env="OPENAI_API_KEY").reference(PROBLEMS)
    assert found.source["served_models"] == ["model of ***"]


def test_a_key_in_base64_over_lines_is_taken_out_of_an_error_of_status_200(monkeypatch):
    """The ends of lines must be there still when the key is looked for."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    coded = base64.encodebytes(f"{'u' * 52}:{KEY}".encode()).decode()
    with serve(lambda body, number: (200, {"error": {"message": f"no: {coded}"}})) as stub:
        asked = backbone(stub.url, mode="samples", retries=0, api_key_env="OPENAI_API_KEY")
        with pytest.raises(ServerError, match=r"^the server answered with an error: no: \*\*\*$"):
            asked.reference(PROBLEMS)
