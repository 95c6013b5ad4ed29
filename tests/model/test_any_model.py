"""Any sentence-transformers model by folder: converted once, the same vectors as torch's, pooling, prompts and all."""

import shutil

import numpy as np
import pytest

from vecstore import EmbeddingError, SentenceTransformerEmbedder
from vecstore.embed import embed_checked, embed_query_checked

pytestmark = pytest.mark.model

WORDS = "the gateway stores readings for ninety days notice is given in writing probe error code".split()
TEXTS = ["the gateway stores readings", "notice is given in writing", "probe error code probe error code"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A small BERT with random weights, CLS pooling and E5-like prompts, saved by sentence-transformers itself."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(7)
    vocabulary = {
        word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", "passage", ":", *WORDS])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    plain = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)).save_pretrained(plain)
    fast.save_pretrained(plain)
    folder = tmp_path_factory.mktemp("model")
    network = Transformer(str(plain), max_seq_length=24)
    model = SentenceTransformer(
        modules=[network, Pooling(32, pooling_mode="cls"), Normalize()],
        prompts={"query": "query : ", "document": "passage : "},
        device="cpu",
    )
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def reference(model_folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder), device="cpu")


def test_the_converted_graph_gives_torchs_vectors(model_folder, cache, reference):
    embedder = SentenceTransformerEmbedder(model_folder, cache_folder=cache)
    assert embedder.dimensions == 32
    ours = embed_checked(embedder, TEXTS)
    theirs = reference.encode(TEXTS, prompt_name="document")
    assert np.allclose(np.sum(ours * theirs, axis=1), 1.0, atol=1e-4)


def test_queries_get_the_query_prompt(model_folder, cache, reference):
    embedder = SentenceTransformerEmbedder(model_folder, cache_folder=cache)
    ours = embed_query_checked(embedder, TEXTS[0])
    assert ours @ reference.encode(TEXTS[0], prompt_name="query") == pytest.approx(1.0, abs=1e-4)
    assert not np.allclose(ours, embed_checked(embedder, TEXTS[:1])[0])


def test_the_length_limit_counts_the_prompt(model_folder, cache):
    embedder = SentenceTransformerEmbedder(model_folder, cache_folder=cache)
    assert embedder.fits(["probe " * 20, "probe " * 21]) == [True, False]  # 24 less CLS, SEP, "passage", ":"


def test_torch_runs_it_on_any_other_device_with_the_same_identity(model_folder, cache):
    graph = SentenceTransformerEmbedder(model_folder, cache_folder=cache)
    torch = SentenceTransformerEmbedder(model_folder, device="torch:cpu")
    assert torch.identity == graph.identity
    assert np.allclose(embed_checked(torch, TEXTS), embed_checked(graph, TEXTS), atol=1e-4)
    assert torch.fits(["probe " * 20, "probe " * 21]) == [True, False]


def test_large_batches_have_the_same_prompts_and_pooling(model_folder, reference):
    import torch
    from sentence_transformers import SentenceTransformer

    from vecstore.embed.torch_model import packed

    in_batches = packed(SentenceTransformer(str(model_folder), device="cpu"), torch.float32)
    ours = in_batches.run([f"passage : {text}" for text in TEXTS])
    assert np.allclose(ours, reference.encode(TEXTS, prompt_name="document"), atol=1e-4)


def test_other_weights_are_another_identity(model_folder, tmp_path):
    other = tmp_path / model_folder.name
    shutil.copytree(model_folder, other)
    weights = other / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert SentenceTransformerEmbedder(other).identity != SentenceTransformerEmbedder(model_folder).identity


def test_a_model_that_is_nowhere_is_a_sentence(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EmbeddingError, match="'no/such-model' is neither a folder nor could it be downloaded"):
        SentenceTransformerEmbedder("no/such-model").identity  # noqa: B018 - asking is enough


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_a_damaged_model_is_a_sentence(model_folder, tmp_path, device):
    shutil.copytree(model_folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    embedder = SentenceTransformerEmbedder(tmp_path / "damaged", device=device, cache_folder=tmp_path / "cache")
    with pytest.raises(EmbeddingError, match=r"the model '.*damaged' could not be loaded: "):
        embedder.embed_query("probe")


def test_a_model_that_cannot_be_kept_is_a_sentence_and_tried_again(model_folder, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    embedder = SentenceTransformerEmbedder(model_folder, cache_folder=tmp_path / "cache")
    with pytest.raises(EmbeddingError, match="could not be loaded: "):
        embedder.embed_query("probe")
    (tmp_path / "cache").unlink()
    assert embedder.embed_query("probe").shape == (embedder.dimensions,)


def test_a_converted_model_is_run_from_where_nothing_can_be_written(model_folder, tmp_path):
    before = SentenceTransformerEmbedder(model_folder, cache_folder=tmp_path).embed_query("probe")
    [compiled] = tmp_path.glob("*/compiled")
    shutil.rmtree(compiled)
    compiled.write_text("no folder, and none can be made")
    after = SentenceTransformerEmbedder(model_folder, cache_folder=tmp_path).embed_query("probe")
    assert np.array_equal(before, after)
