import pytest

from vecstore import EmbeddingError, HashingEmbedder
from vecstore.embed import RecentQueries, embed_query_checked, recent


class Counting(HashingEmbedder):
    def __init__(self):
        super().__init__()
        self.asked = []

    def embed_query(self, text):
        self.asked.append(text)
        return super().embed_query(text)


def test_a_question_is_embedded_once_for_all_vector_stores_and_times(open_engine):
    embedder = Counting()
    engine = open_engine(embedder=embedder)
    for name in ("a", "b"):
        engine.create(name).add((f"{name}.txt", b"red apple"))
    embedder.asked.clear()  # the hashing embedder's texts are questions to itself
    for _ in range(3):
        assert len(engine.scope().search("apple", [store.id for store in engine.list()])) == 2
    assert embedder.asked == ["apple"]
    engine.get("a").search("pear")
    assert embedder.asked == ["apple", "pear"]


def test_only_the_last_questions_are_kept(monkeypatch):
    monkeypatch.setattr(recent, "MOST", 2)
    embedder = Counting()
    queries = RecentQueries(embedder)
    for text in ("one", "two", "one", "three", "one", "two"):
        assert (queries.vector(text) == embed_query_checked(HashingEmbedder(), text)).all()
    assert embedder.asked == ["one", "two", "three", "two"]


def test_a_question_that_could_not_be_embedded_is_tried_again():
    class Failing(HashingEmbedder):
        def embed_query(self, text):
            return super().embed_query(text)[:3]

    queries = RecentQueries(Failing())
    for _ in range(2):
        with pytest.raises(EmbeddingError):
            queries.vector("apple")
