"""A secret that anybody on the machine may read is said; the server runs all the same."""

from __future__ import annotations

from pathlib import Path

from streamer.checks import rights
from streamer.checks.outcome import Level
from streamer.config import load


def test_a_configuration_with_a_secret_that_all_may_read_is_a_warning_and_one_that_they_may_not_is_well(
    tmp_path: Path,
) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text('[[keys]]\nid = "a"\nsecret = "hunter2"\n', encoding="utf-8")
    settings = load(config, {}, {})
    config.chmod(0o644)
    (found,) = rights.check(settings, config)
    assert found.level is Level.WARN
    assert str(config) in found.says
    assert "hunter2" not in found.says
    config.chmod(0o600)
    (found,) = rights.check(settings, config)
    assert found.level is Level.OK
    assert [outcome.level for outcome in rights.check(settings, None)] == [Level.OK]
