from __future__ import annotations

import msgspec
import pytest

from streamer.archive.ways import Ways
from streamer.config import EmotionSettings, Settings, SpeechSettings
from streamer.emotion.model import EmotionModel


def of(model: EmotionModel, **tables: object) -> Ways:
    return Ways.of(msgspec.structs.replace(Settings(node="any"), **tables), model.card, notice=False, roles=None)


def test_what_cannot_change_a_verdict_is_no_difference(model: EmotionModel, ways: Ways) -> None:
    other = of(model, node="other", emotion=EmotionSettings(partial_every_ms=500))
    assert other == ways
    assert other.digest == ways.digest
    assert ways.differences(other) == []


@pytest.mark.parametrize("key", [name for name in SpeechSettings.__struct_fields__ if name != "vad"])
def test_every_setting_of_speech_is_a_difference_with_its_name(model: EmotionModel, ways: Ways, key: str) -> None:
    value = getattr(SpeechSettings(), key)
    changed = of(model, speech=msgspec.structs.replace(SpeechSettings(), **{key: value + 1}))
    assert changed.digest != ways.digest
    assert ways.differences(changed) == [f"speech.{key} was {value}, is {value + 1}"]


def test_another_model_is_a_difference_by_what_it_is(ways: Ways) -> None:
    other = msgspec.structs.replace(ways, model_sha256="00", notice=True)
    assert ways.differences(other) == [
        f'model_sha256 was "{ways.model_sha256}", is "00"',
        "notice was false, is true",
    ]
