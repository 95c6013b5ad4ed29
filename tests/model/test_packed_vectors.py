"""Large batches give the vectors of sentence-transformers, or are left alone."""

import numpy as np
import pytest

pytestmark = pytest.mark.model

TEXTS = [
    "Parental leave is sixteen weeks.",
    "",
    "Überstunden werden doppelt bezahlt; 東京都 🍎",
    "The quick brown fox jumps over the lazy dog. " * 60,
    "def read_timeout(seconds): return seconds * 1000",
]


@pytest.fixture(scope="module")
def model():
    from sentence_transformers import SentenceTransformer

    from vecstore.embed.sentence_transformer import default_embedder

    return lambda: SentenceTransformer(str(default_embedder()._folder()), device="cpu")


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.9999), ("bfloat16", 0.999)])
def test_the_vectors_are_those_of_encode(model, precision, least):
    import torch

    from vecstore.embed.torch_model import packed

    theirs = model().encode(TEXTS)
    ours = packed(model(), getattr(torch, precision)).run(TEXTS)
    assert ours.dtype == np.float32
    assert (np.sum(ours * theirs, axis=1) / np.linalg.norm(ours, axis=1) > least).all()


def test_a_module_that_is_not_known_is_left_to_encode(model):
    import torch
    from sentence_transformers.sentence_transformer.modules import Normalize

    from vecstore.embed.torch_model import packed

    class Negated(Normalize):
        def forward(self, features):
            return {**features, "sentence_embedding": -super().forward(features)["sentence_embedding"]}

    changed = model()
    changed[2] = Negated()
    assert packed(changed, torch.float32) is None


def test_a_model_that_pools_without_its_prompt_is_left_to_encode(model):
    import torch

    from vecstore.embed.torch_model import packed

    changed = model()
    changed.prompts = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}
    assert packed(changed, torch.float32) is not None
    changed[1].include_prompt = False
    assert packed(changed, torch.float32) is None


def test_a_model_without_a_network_is_left_to_encode(model):
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from vecstore.embed.torch_model import packed

    tokenizer = model().tokenizer.backend_tokenizer
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    assert packed(static, torch.float32) is None
