"""What tests of `check` share: a data folder to be damaged, and the kinds of problems found."""

import pytest

from vecstore import Source


@pytest.fixture
def filled(open_engine, data_folder):
    """A closed data folder with a checkpointed store of two files; its store's id and folder."""
    engine = open_engine()
    store = engine.create("kept")
    for added in store.add_many([Source("a.txt", b"red apple " * 300), Source("b.txt", b"green pear")]):
        assert added.outcome == "added"
    engine.close()
    return store.id, data_folder / "stores" / store.id


def kinds(problems):
    return {problem.kind for problem in problems}
