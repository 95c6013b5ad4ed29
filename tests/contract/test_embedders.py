"""What everything else may expect of every Embedder."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from vecstore import EmbeddingError, HashingEmbedder, MultilingualEmbedder, OpenAIEmbedder, default_embedder
from vecstore.embed import Embedder, embed_checked, embed_query_checked

TEXTS = ["Parental leave is sixteen weeks.", "a", "", "Überstunden & 東京都 🍎", "one two three " * 40, "a"]


def remote(_cache):
    """A server whose vectors are cut out of the texts' hashes, not of unit norm."""

    def answer(request):
        body = json.loads(request.content)
        digests = [hashlib.sha512(text.encode()).digest() for text in body["input"]]
        data = [{"index": i, "embedding": [byte + 0.5 for byte in digest]} for i, digest in enumerate(digests)]
        return httpx.Response(200, json={"data": data})

    return OpenAIEmbedder("http://e.test/v1", model="m", client=httpx.Client(transport=httpx.MockTransport(answer)))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(lambda _cache: HashingEmbedder(), id="hashing"),
        pytest.param(remote, id="openai"),
        pytest.param(lambda cache: default_embedder(cache_folder=cache), id="default", marks=pytest.mark.model),
        pytest.param(lambda _cache: MultilingualEmbedder(), id="multilingual", marks=pytest.mark.model),
    ],
)
def make(request, model_cache):
    return lambda: request.param(model_cache)


@pytest.fixture(scope="module")
def each(make):
    return make()


def test_it_is_an_embedder(each):
    assert isinstance(each, Embedder)
    assert each.identity
    assert each.dimensions > 0


def test_vectors_have_the_shape_that_is_told(each):
    vectors = np.asarray(each.embed(TEXTS))
    assert vectors.shape == (len(TEXTS), each.dimensions)
    assert vectors.dtype == np.float32
    assert np.asarray(each.embed_query("leave")).shape == (each.dimensions,)


def test_checked_vectors_have_length_one(each):
    assert np.linalg.norm(embed_checked(each, TEXTS), axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(embed_query_checked(each, "leave")) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_are_no_vectors(each):
    assert embed_checked(each, []).shape == (0, each.dimensions)


def test_the_same_text_gives_the_same_vector_bit_for_bit(each, make):
    first = embed_checked(each, TEXTS)
    assert first.tobytes() == embed_checked(each, TEXTS).tobytes()
    assert first.tobytes() == embed_checked(make(), TEXTS).tobytes()
    assert first[1].tobytes() == first[5].tobytes()


def test_a_vector_does_not_depend_on_what_stands_beside_it(each):
    together = embed_checked(each, TEXTS)
    alone = np.concatenate([embed_checked(each, [text]) for text in TEXTS])
    backwards = embed_checked(each, TEXTS[::-1])[::-1]
    assert together.tobytes() == alone.tobytes() == np.ascontiguousarray(backwards).tobytes()


def test_unlike_texts_have_unlike_vectors(each):
    vectors = embed_checked(each, TEXTS[:5])
    assert (vectors @ vectors.T - np.eye(5)).max() < 0.999


def test_threads_get_their_own_vectors(each):
    texts = [f"text number {i}" for i in range(24)]
    expected = [embed_query_checked(each, text).tobytes() for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: embed_query_checked(each, text).tobytes(), texts)) == expected


def test_fits_answers_for_each_text(each):
    assert each.fits([]) == []
    assert each.fits(["short", "also short"]) == [True, True]


def test_identity_is_the_same_each_time(each, make):
    assert each.identity == make().identity


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1, 0], [float("nan"), 1]], "gave a vector with NaN or infinite values for text 1 of 2"),
        ([[float("inf"), 0], [0, 1]], "gave a vector with NaN or infinite values for text 0 of 2"),
        ([[1, 0], [0, 0]], "gave a zero vector for text 1 of 2"),
        ([[1, 0]], "gave 1 x 2 values for 2 texts; 2 x 2 were expected"),
        ([[1, 0, 0], [0, 1, 0]], "gave 2 x 3 values for 2 texts; 2 x 2 were expected"),
        ([1, 0], "gave 2 values for 2 texts"),
        ([[3e38, 3e38], [1, 0]], "gave a vector"),
    ],
)
def test_vectors_that_cannot_be_stored_are_refused(vectors, message):
    class Broken(HashingEmbedder):
        def embed(self, _texts):
            return np.array(vectors, np.float32)

    with pytest.raises(EmbeddingError, match=f"vecstore-hashing-2 {message}"):
        embed_checked(Broken(2), ["one", "two"])


def test_a_query_vector_is_checked_too():
    class Broken(HashingEmbedder):
        def embed_query(self, _text):
            return np.full(2, np.nan, np.float32)

    with pytest.raises(EmbeddingError, match="NaN or infinite"):
        embed_query_checked(Broken(2), "one")


def test_texts_that_share_words_are_near_to_the_hashing_embedder():
    vectors = embed_checked(HashingEmbedder(), ["red apple pie", "red apple cake", "blue boat river"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_the_hashing_embedder_reads_256_words():
    assert HashingEmbedder().fits(["word " * 256, "word " * 257]) == [True, False]
