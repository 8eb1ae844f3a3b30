from __future__ import annotations

from structlog.testing import capture_logs

from streamer.platforms.calls import id_maker


def test_ids_are_new_each_time_and_each_is_in_the_log() -> None:
    make = id_maker("freeswitch", "name your calls")
    with capture_logs() as log:
        ids = [make() for _ in range(20)]
    assert len(set(ids)) == 20
    assert [line["call"] for line in log] == ids
    assert {line["remedy"] for line in log} == {"name your calls"}
