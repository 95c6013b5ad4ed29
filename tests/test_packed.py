"""Texts in large batches: the order is theirs, no batch is larger than it may be, a short memory halves them."""

import random

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from vecstore import EmbeddingError
from vecstore.embed.packed import Packed, batches

LONGEST = 50
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def texts():
    chance = random.Random(5)
    return [" ".join(str(chance.randrange(100)) for _ in range(chance.randrange(70))) for _ in range(300)]


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer(models.WordLevel({str(i): i for i in range(100)}, unk_token="0"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_truncation(LONGEST)
    return made


class Network:
    """Gives each text's first token, its last one and how many it has; has memory for so many tokens at once."""

    def __init__(self, memory=1 << 30):
        self.memory, self.shapes = memory, []

    def __call__(self, ids, mask):
        if ids.numel() > self.memory:
            raise torch.OutOfMemoryError
        self.shapes.append(tuple(ids.shape))
        n = mask.sum(1)
        last = torch.where(n > 0, ids.gather(1, (n - 1).clamp(min=0)[:, None])[:, 0], 0) if ids.shape[1] else n
        first = torch.where(n > 0, ids[:, 0], 0) if ids.shape[1] else n
        return torch.stack([first, last, n], dim=1).float()


def expected(texts):
    ids = [[int(word) for word in text.split()][:LONGEST] or [0] for text in texts]
    return np.array([[of[0], of[-1], min(len(text.split()), LONGEST)] for of, text in zip(ids, texts, strict=True)])


def packed(network, tokenizer, **sizes):
    return Packed(network, tokenizer, dimensions=3, max_tokens=LONGEST, padding=99, device=CPU, **sizes)


@pytest.mark.parametrize("characters", [1, 500, 1 << 20])
@pytest.mark.parametrize("tokens", [1, 200, 1 << 17])
def test_vectors_come_in_the_order_of_the_texts(texts, tokenizer, characters, tokens):
    network = Network()
    vectors = packed(network, tokenizer, batch_tokens=tokens, portion_characters=characters).run(texts)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, expected(texts))
    assert sum(rows for rows, _ in network.shapes) == len(texts)
    assert all(rows == 1 or rows * width <= tokens for rows, width in network.shapes)
    assert all(width <= LONGEST for _, width in network.shapes)


def test_texts_of_like_length_are_together(texts, tokenizer):
    network = Network()
    packed(network, tokenizer, batch_tokens=400).run(texts)
    read = sum(min(len(text.split()), LONGEST) for text in texts)
    assert sum(rows * width for rows, width in network.shapes) < 1.2 * read


def test_no_texts_have_no_vectors(tokenizer):
    assert packed(Network(), tokenizer).run([]).shape == (0, 3)


def test_batches_are_all_rows_once():
    widths = np.array([50, 48, 40, 8, 8, 8, 8, 8, 0, 0], np.int32)
    assert [(each.start, each.stop) for each in batches(widths, 96)] == [(0, 1), (1, 3), (3, 10)]


def test_a_short_memory_halves_the_batches_from_then_on(texts, tokenizer):
    network = Network(memory=500)
    model = packed(network, tokenizer, batch_tokens=3000)
    assert np.array_equal(model.run(texts), expected(texts))
    network.shapes.clear()
    assert np.array_equal(model.run(texts), expected(texts))
    assert max(rows * width for rows, width in network.shapes) <= 500


def test_a_memory_short_of_one_text_is_a_sentence(texts, tokenizer):
    with pytest.raises(EmbeddingError, match="cpu has no memory for a text of 50 tokens"):
        packed(Network(memory=40), tokenizer).run(texts)
