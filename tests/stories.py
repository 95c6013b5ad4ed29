"""Texts that are much alike, and questions whose answers tell whether two vector stores rank alike."""

import pytest

WORDS = [f"{a}{b}" for a in ("red", "green", "blue", "old", "new") for b in ("apple", "pear", "fig", "plum")]


def story(i):
    return f"Story {i}.\n\n" + " ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(60 + i))


QUERIES = [f"{WORDS[i % 20]} {WORDS[(i * 3 + 1) % 20]} {'story ' + str(i % 20) if i % 2 else ''}" for i in range(200)]


def answers(store):
    """What 200 queries find, but for the ids of chunks and files."""
    return [
        [(each.filename, each.text, each.attributes, each.score) for each in store.search(query)] for query in QUERIES
    ]


def agree(found, wanted):
    assert [[each[:-1] for each in page] for page in found] == [[each[:-1] for each in page] for page in wanted]
    scores = [[each[-1] for page in pages for each in page] for pages in (found, wanted)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert len(scores[0]) > 500
