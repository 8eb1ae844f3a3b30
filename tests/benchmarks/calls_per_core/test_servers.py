"""The servers that are measured, by name."""

from __future__ import annotations

import pytest

from benchmarks.calls_per_core import servers
from streamer.bench.served import BenchError


def test_each_name_is_a_server_and_sinks_owe_no_events() -> None:
    one, other = servers.named("websockets-sink, streamer")
    assert not one.publishes
    assert other.publishes
    assert other.has_admin


def test_another_installation_is_measured_with_the_same_flags_and_settings() -> None:
    before, ours = servers.named("before=/opt/other/bin/streamer,streamer")
    assert before.command[0] == "/opt/other/bin/streamer"
    assert before.command[1:] == ours.command[ours.command.index("serve") :]
    assert before.environment == ours.environment


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BenchError, match=r"no server is called 'nosuch'.*websockets-sink.*streamer"):
        servers.named("nosuch")


def test_a_sink_on_a_library_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda _name: None)
    with pytest.raises(BenchError, match="picows is not installed"):
        servers.named("picows-sink")


def test_peers_are_the_programs_of_their_folder(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "shared.py").write_text("x = 1\n")
    (tmp_path / "naive.py").write_text('if __name__ == "__main__":\n    pass\n')
    monkeypatch.setattr(servers, "PEERS", tmp_path)
    assert list(servers.peers()) == ["naive"]
    command = servers.peers()["naive"].command
    assert "benchmarks.peers.naive" in command
    assert {"{port}", "{mqtt}"} <= set(command)
