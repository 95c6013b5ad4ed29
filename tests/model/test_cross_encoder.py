"""Cross-encoders as rerankers: small ones with random weights, read by sentence-transformers like any other."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner

from vecstore import CrossEncoderReranker, RerankerError
from vecstore.cli import main
from vecstore.rank import RERANK_WEIGHT, rerank

pytestmark = pytest.mark.model

WORDS = "the boat river stores readings for ninety days notice is given in writing probe error code".split()
QUERY = "probe error"
TEXTS = ["the river stores readings", "notice is given in writing " * 3, "boat", "probe error code boat", "unknown"]
SIGMOID, IDENTITY, HARD = (
    "torch.nn.modules.activation.Sigmoid",
    "torch.nn.modules.linear.Identity",
    "torch.nn.modules.activation.Hardsigmoid",
)


@pytest.fixture(scope="module")
def make_model(tmp_path_factory):
    """`make_model(labels=1, activation=None)`: the folder of a BERT that reads a pair, as transformers writes it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )

    def make(*, labels=1, activation=None):
        torch.manual_seed(5)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        said = {} if activation is None else {"sentence_transformers": {"activation_fn": activation}}
        config = BertConfig(
            vocab_size=len(vocabulary), max_position_embeddings=64, num_labels=labels, initializer_range=0.5, **sizes
        )
        config.update(said)
        folder = tmp_path_factory.mktemp("cross") / "encoder"
        BertForSequenceClassification(config).save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            unk_token="[UNK]",
            pad_token="[PAD]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            model_max_length=64,
        ).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def folder(make_model):
    return make_model()


@pytest.fixture(scope="module")
def logits(folder):
    """What the network itself gives for QUERY and each of TEXTS."""
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return np.array([model(**tokenizer(QUERY, text, return_tensors="pt")).logits.item() for text in TEXTS])


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def no_network(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("activation", [None, SIGMOID, IDENTITY])
def test_scores_are_the_networks_through_one_sigmoid_whatever_the_model_says_of_it(make_model, logits, activation):
    scores = rerank(CrossEncoderReranker(make_model(activation=activation)), QUERY, TEXTS)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(sigmoid(logits), abs=1e-5)
    assert len(set(scores.tolist())) == len(TEXTS)


def test_scores_that_a_model_brings_to_0_to_1_by_itself_stay(make_model, logits):
    scores = rerank(CrossEncoderReranker(make_model(activation=HARD)), QUERY, TEXTS)
    assert scores == pytest.approx(np.clip(logits / 6 + 0.5, 0, 1), abs=1e-5)


def test_no_passages_are_no_scores_and_load_nothing(tmp_path):
    assert CrossEncoderReranker(tmp_path / "none").scores("probe", []).shape == (0,)


def test_what_is_longer_than_the_model_reads_is_cut(folder):
    whole, short = CrossEncoderReranker(folder), CrossEncoderReranker(folder, max_tokens=16)
    long = "boat river " * 200
    assert whole.scores(QUERY, [long])[0] == pytest.approx(whole.scores(QUERY, [long + "probe"])[0], abs=1e-6)
    assert short.scores(QUERY, [long])[0] == pytest.approx(short.scores(QUERY, ["boat river " * 8])[0], abs=1e-6)
    assert short.scores(QUERY, [long])[0] != pytest.approx(whole.scores(QUERY, [long])[0], abs=1e-6)


def test_threads_get_their_own_scores(folder):
    reranker = CrossEncoderReranker(folder)
    queries = [" ".join(WORDS[i : i + 3]) for i in range(12)] * 2
    with ThreadPoolExecutor(6) as pool:  # the first of them load it
        together = list(pool.map(lambda query: reranker.scores(query, TEXTS).tolist(), queries))
    assert together == [reranker.scores(query, TEXTS).tolist() for query in queries]


def test_a_model_of_several_labels_is_refused_with_a_sentence(make_model):
    reranker = CrossEncoderReranker(make_model(labels=3))
    for _ in range(2):
        with pytest.raises(RerankerError, match="gives 3 values for a passage; one score is needed"):
            reranker.scores(QUERY, TEXTS)


def test_a_model_that_is_nowhere_is_a_sentence_and_tried_again(monkeypatch, folder, tmp_path):
    no_network(monkeypatch)
    reranker = CrossEncoderReranker(tmp_path / "later")
    with pytest.raises(RerankerError, match=r"the reranker '.*later' could not be loaded: "):
        reranker.scores(QUERY, TEXTS)
    shutil.copytree(folder, tmp_path / "later")
    assert reranker.scores(QUERY, TEXTS).shape == (len(TEXTS),)


def test_a_damaged_model_and_a_device_that_is_not_there_are_sentences(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    for broken in (CrossEncoderReranker(tmp_path / "damaged"), CrossEncoderReranker(folder, device="nowhere")):
        with pytest.raises(RerankerError, match="could not be loaded: "):
            broken.scores(QUERY, TEXTS)


def fill(engine):
    store = engine.create("ranked")
    for i, text in enumerate(TEXTS[:4]):
        store.add((f"{i}.txt", text.encode()))
    return store


def test_a_store_is_ranked_by_it_unless_the_ranker_is_none(open_engine, folder):
    reranker = CrossEncoderReranker(folder)
    store = fill(open_engine(reranker=reranker))
    results = store.search(QUERY, explain=True)
    assert len(results) == 4
    for result in results:
        why = result.explanation
        [expected] = reranker.scores(QUERY, [result.text])
        assert why.reranker_score == pytest.approx(expected, abs=1e-5)
        legs = sum(leg.weight * leg.score for leg in (why.embedding, why.text))
        assert result.raw_score == pytest.approx((1 - RERANK_WEIGHT) * legs + RERANK_WEIGHT * expected, abs=1e-4)
    assert [each.score for each in results] == sorted((each.score for each in results), reverse=True)
    plain = store.search(QUERY, ranker="none", explain=True)
    assert {each.explanation.reranker_score for each in plain} == {None}
    assert store.check() == []


def test_without_its_model_a_search_is_an_error_and_ranker_none_finds(open_engine, monkeypatch, tmp_path):
    no_network(monkeypatch)
    engine = open_engine(reranker=CrossEncoderReranker(tmp_path / "none"))
    store = fill(engine)
    with pytest.raises(RerankerError, match="could not be loaded"):
        store.search(QUERY)
    with pytest.raises(RerankerError, match="could not be loaded"):
        engine.warm_up()
    assert len(store.search(QUERY, ranker="none")) == 4


def test_the_command_line_takes_one_by_flag_or_environment(folder, tmp_path, embeddings_url):
    environment = {
        "VECSTORE_ROOT": str(tmp_path / "kb"),
        "VECSTORE_EMBEDDER": "hashing",
        "VECSTORE_EMBEDDER_URL": embeddings_url,
    }

    def run(*arguments, **more):
        done = CliRunner(env={**environment, **more}).invoke(main, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    (tmp_path / "a.txt").write_text("probe error code boat")
    run("create", "ranked")
    run("add", "ranked", str(tmp_path / "a.txt"))
    search = ("search", "ranked", QUERY, "--json", "--explain")
    expected = CrossEncoderReranker(folder).scores(QUERY, ["probe error code boat"])[0]
    [by_flag], [by_environment] = run("--reranker", str(folder), *search), run(*search, VECSTORE_RERANKER=str(folder))
    for found in (by_flag, by_environment):
        assert found["explanation"]["reranker_score"] == pytest.approx(expected, abs=1e-5)
    [without] = run("--reranker", str(folder), *search, "--ranker", "none")
    assert without["explanation"]["reranker_score"] is None
