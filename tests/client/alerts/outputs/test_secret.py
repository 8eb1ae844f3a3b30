from __future__ import annotations

from pathlib import Path

import pytest
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.secret import Secret


def test_a_secret_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" first \n")
    secret = Secret(file=str(file))
    assert secret.read() == "first"
    file.write_text("second")
    assert secret.read() == "second"


def test_a_secret_may_stand_in_the_environment() -> None:
    assert Secret(variable="KEY", environment={"KEY": "word\n"}).read() == "word"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot read .*: No such file"), (b"\xff", "no UTF-8"), (b" \n", "is empty")]
)
def test_a_file_without_a_secret_may_be_mended(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OutputError, match=words) as caught:
        Secret(file=str(file)).read()
    assert caught.value.retry


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(OutputError, match="the variable KEY is empty or not set"):
        Secret(variable="KEY").read()
