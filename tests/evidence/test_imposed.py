"""What a run is shown follows from nonce and seed alone, and no two runs are shown the same."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence import imposed
from harness.evidence.imposed import (
    BLOCK_DOCUMENTS,
    denied_documents,
    files_shown,
    recipe_of,
    recipe_sha256,
)

shares = st.floats(0.001, 0.5)
seeds = st.integers(0, 2**31 - 1)


@given(seed=seeds, share=shares, documents=st.integers(1, 3500), files=st.integers(1, 20))
def test_a_recipe_denies_the_share_and_shows_all_else_once(
    seed: int, share: float, documents: int, files: int
) -> None:
    recipe = recipe_of(nonce="n", seed=seed, denied_share=share, documents=documents, files=files)
    denied = int(recipe.denied.sum())
    assert denied == denied_documents(documents, denied_share=share) < documents
    assert abs(denied - share * documents) <= (0.5 if share * documents >= 0.5 else 1)
    assert (denied > 0) == (documents > 1)
    for start in range(0, documents - BLOCK_DOCUMENTS, BLOCK_DOCUMENTS):
        here = int(recipe.denied[start : start + BLOCK_DOCUMENTS].sum())
        assert abs(here - share * BLOCK_DOCUMENTS) <= 1
    shown = recipe.shown().tolist()
    assert sorted([*shown, *np.flatnonzero(recipe.denied).tolist()]) == list(range(documents))
    turns = sum(after < before for before, after in itertools.pairwise(shown))
    assert turns <= 1  # in the order of the dataset, from some document on
    assert sorted(recipe.order) == list(range(files))


ASKED: dict[str, Any] = {"nonce": "n", "seed": 5, "denied_share": 0.1, "documents": 421, "files": 9}


def digest(**changes: object) -> str:
    return recipe_sha256(**(ASKED | changes))


@pytest.mark.parametrize(
    "change",
    [{"nonce": "m"}, {"seed": 6}, {"denied_share": 0.2}, {"documents": 422}, {"files": 8}],
    ids=lambda change: next(iter(change)),
)
def test_a_recipe_follows_from_what_it_is_drawn_from_and_from_nothing_else(
    change: dict[str, object],
) -> None:
    again = recipe_of(**ASKED).sha256()
    assert digest() == again != digest(**change)


def test_a_recipe_is_the_same_for_good() -> None:
    """Evidence is judged by drawing again, years later and on other machines."""
    assert digest() == "dbfce1719640e3066069144101c8c5b9ad4ac02e82b6e3fafec12f055f02c113"


@given(one=seeds, other=seeds)
def test_two_seeds_deny_different_documents(one: int, other: int) -> None:
    def denied(seed: int) -> set[int]:
        recipe = recipe_of(nonce="n", seed=seed, denied_share=0.1, documents=421, files=1)
        return set(np.flatnonzero(recipe.denied).tolist())

    if one != other:
        # 42 of 421 each, drawn alike: 4 in common on average, 20 less often than once in a billion.
        assert len(denied(one) & denied(other)) < 20


def test_whatever_a_script_chooses_loses_about_the_share_in_every_run() -> None:
    """It may train on a hundredth of the dataset; no run leaves that as it was."""
    chosen = np.random.default_rng(0).choice(100_000, 1000, replace=False)
    for seed in range(50):
        recipe = recipe_of(nonce="n", seed=seed, denied_share=0.1, documents=100_000, files=1)
        assert 60 < int(recipe.denied[chosen].sum()) < 145  # 100, within nearly five deviations


def test_each_part_of_the_order_is_drawn() -> None:
    recipes = [
        recipe_of(nonce="n", seed=seed, denied_share=0.1, documents=421, files=9)
        for seed in range(30)
    ]
    assert len({recipe.first for recipe in recipes}) > 20
    assert len({recipe.order for recipe in recipes}) == 30
    assert len({recipe.order.index(0) for recipe in recipes}) > 5


@pytest.mark.parametrize(
    ("files", "share", "shown"),
    [(1, 0.1, 1), (2, 0.5, 1), (2, 0.1, 2), (80, 0.1, 72), (103, 0.1, 93)],
)
def test_files_keep_their_size(files: int, share: float, shown: int) -> None:
    assert files_shown(files, denied_share=share) == shown


def test_the_digest_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    digest(seed=77)
    monkeypatch.setattr(imposed, "recipe_of", None)
    assert digest(seed=77)
