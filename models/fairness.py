"""How a model does by group of speakers and by length of utterance, with how far chance goes.

Groups are what the corpora's makers wrote down of their actors; no model is ever told them, and none guesses them. This
file must never make a group out of a voice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.corpora import crema_d

DRAWS: Final = 1000
"""Of the bootstrap over speakers."""
_SEXES: Final = {"f": "women", "m": "men"}
_AGES: Final = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"))
_LENGTHS_S: Final = ((1.0, "under 1 s"), (2.0, "1 to 2 s"), (3.0, "2 to 3 s"), (np.inf, "over 3 s"))


def groupings(
    speakers: NDArray[np.str_], genders: NDArray[np.str_], demographics: Path | None
) -> dict[str, NDArray[np.str_]]:
    """Return the group of each clip, str[clips], by what groups are made of: sex, for CREMA-D also age and race.

    Parameters
    ----------
    speakers
        str[clips], `corpus/speaker`.
    genders
        str[clips], `f`, `m` or nothing.
    demographics
        CREMA-D's `VideoDemographics.csv`; None for other corpora. Nothing is added where there is no such file.
    """
    found = {"sex": np.array([_SEXES.get(one, "not stated") for one in genders.tolist()])}
    if demographics is not None and demographics.is_file():
        actors = crema_d.demographics(demographics)
        known = [actors.get(one.split("/")[-1]) for one in speakers.tolist()]
        found["age"] = np.array(["not stated" if one is None else age_band(one.age) for one in known])
        found["race"] = np.array(["not stated" if one is None else one.race for one in known])
        found["ethnicity"] = np.array(["not stated" if one is None else one.ethnicity for one in known])
    return found


def age_band(age: int) -> str:
    """Return the band of an age in years."""
    return next((name for below, name in _AGES if age < below), "60 and over")


def by_all_groups(
    truth: NDArray[np.int64],
    guess: NDArray[np.integer],
    speakers: NDArray[np.str_],
    groups: dict[str, NDArray[np.str_]],
    labels: Sequence[str],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return `by_group` for each way of grouping."""
    return {name: by_group(truth, guess, speakers, of_clip, labels) for name, of_clip in groups.items()}


def by_group(
    truth: NDArray[np.int64],
    guess: NDArray[np.integer],
    speakers: NDArray[np.str_],
    groups: NDArray[np.str_],
    labels: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Return the figures of each group.

    Parameters
    ----------
    truth, guess
        int[clips], index of the label meant and of the one called.
    speakers, groups
        str[clips]; a speaker belongs to one group.
    labels
        Of the model.

    Returns
    -------
    dict
        Of each group: `speakers`, `clips`, and in percent `uar`, `accuracy`, `angry_recall`, `angry_false_alarms`
        (share of other clips called angry; None without such clips), `uar_interval` (95 % of draws of as many speakers
        with replacement; None for one speaker, of whom nothing follows for others).
    """
    return {
        group: _figures(truth[own], guess[own], speakers[own], labels)
        for group in np.unique(groups).tolist()
        for own in [groups == group]
    }


def by_length(
    truth: NDArray[np.int64], guess: NDArray[np.integer], speech_s: NDArray[np.float32], labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return `clips`, `uar` and `accuracy` by length of the utterance; bands without a clip are left out."""
    found, least = {}, 0.0
    for most, name in _LENGTHS_S:
        own = (speech_s >= least) & (speech_s < most)
        least = most
        if own.any():
            matrix = metrics.confusion(truth[own], guess[own], len(labels))
            found[name] = {
                "clips": int(own.sum()),
                "uar": metrics.unweighted_average_recall(matrix),
                "accuracy": metrics.accuracy(matrix),
            }
    return found


def _figures(
    truth: NDArray[np.int64], guess: NDArray[np.integer], speakers: NDArray[np.str_], labels: Sequence[str]
) -> dict[str, Any]:
    names, of_clip = np.unique(speakers, return_inverse=True)
    matrices = np.stack(
        [metrics.confusion(truth[of_clip == n], guess[of_clip == n], len(labels)) for n in range(len(names))]
    )
    matrix = matrices.sum(axis=0)
    angry = labels.index("angry")
    meant, called = truth == angry, guess == angry
    interval = None
    if len(names) > 1:
        drawn = metrics.uar_over_draws(matrices, metrics.draw_groups(len(names), DRAWS, seed=0))
        interval = np.nanpercentile(drawn, [2.5, 97.5]).tolist()
    return {
        "speakers": len(names),
        "clips": len(truth),
        "uar": metrics.unweighted_average_recall(matrix),
        "uar_interval": interval,
        "accuracy": metrics.accuracy(matrix),
        "angry_recall": float(100.0 * called[meant].mean()) if meant.any() else None,
        "angry_false_alarms": float(100.0 * called[~meant].mean()) if (~meant).any() else None,
    }
