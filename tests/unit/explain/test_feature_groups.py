"""Every feature of the ranker means something to a person."""

from __future__ import annotations

from mercato.explain.groups import GROUPS, list_unexplained
from mercato.explain.phrases import ENGLISH
from mercato.features.features import FEATURE_NAMES, FEATURES


def test_every_feature_is_in_one_group() -> None:
    assert list_unexplained() == [], "their group is none of GROUPS in mercato/explain/groups.py"


def test_groups_name_features_of_the_ranker_and_show_one_of_their_own() -> None:
    named = {name for group in GROUPS for name in group.columns}
    assert named <= set(FEATURE_NAMES)
    assert [group.name for group in GROUPS if group.shown and group.shown not in group.columns] == []
    assert len({group.name for group in GROUPS}) == len(GROUPS)


def test_a_group_gives_the_value_of_one_feature_at_most() -> None:
    shown = [feature.group for feature in FEATURES if feature.display is not None]
    assert len(set(shown)) == len(shown)
    assert [group.name for group in GROUPS if not group.shown] == ["taste", "time", "device and region"]


def test_every_group_that_shows_a_value_is_spoken_of_on_some_side() -> None:
    silent = {"order of retrieval"}  # says nothing that the stages do not say
    unspoken = {
        group.name
        for group in GROUPS
        if group.shown and not any(ENGLISH.knows(f"{group.name} {side}") for side in ("more", "less"))
    }
    assert unspoken == silent
