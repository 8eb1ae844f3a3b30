"""The JSON of the page's requests: strict in what it takes."""

from __future__ import annotations

import msgspec
import pytest
from streamer_client.dashboard import api


def test_every_struct_is_frozen() -> None:
    structs = [one for one in vars(api).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    assert len(structs) > 15
    assert all(one.__struct_config__.frozen for one in structs)


@pytest.mark.parametrize(
    ("kind", "body"), [(api.Login, b'{"token":"t","as":"root"}'), (api.Acknowledge, b'{"by":"me"}')]
)
def test_a_request_with_a_field_that_nobody_knows_is_refused(kind: type, body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(body, type=kind)


def test_a_point_of_a_trace_is_a_short_list() -> None:
    party = api.Party("customer", {}, 0, None, None, ((3000, "angry", 0.8, False),))
    assert b'"trace":[[3000,"angry",0.8,false]]' in msgspec.json.encode(party)
