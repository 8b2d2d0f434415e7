"""Every feature of the ranker means something to a person."""

from __future__ import annotations

from mercato.explain.groups import GROUPS, list_unexplained
from mercato.explain.phrases import ENGLISH
from mercato.features.feature_names import FEATURE_NAMES


def test_every_feature_is_in_one_group() -> None:
    assert list_unexplained() == [], "put them into a group of GROUPS in mercato/explain/groups.py"


def test_groups_name_features_of_the_ranker_and_show_one_of_their_own() -> None:
    named = {name for group in GROUPS for name in group.columns}
    assert named <= set(FEATURE_NAMES)
    assert [group.name for group in GROUPS if group.shown and group.shown not in group.columns] == []
    assert len({group.name for group in GROUPS}) == len(GROUPS)


def test_every_group_that_shows_a_value_is_spoken_of_on_some_side() -> None:
    silent = {"order of retrieval"}  # says nothing that the stages do not say
    unspoken = {
        group.name
        for group in GROUPS
        if group.shown and not any(ENGLISH.knows(f"{group.name} {side}") for side in ("more", "less"))
    }
    assert unspoken == silent
