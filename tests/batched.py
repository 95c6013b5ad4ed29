"""What tests of file batches share: an embedder of their choice, texts to be added, and the counts of a batch."""

import pytest

from vecstore import HashingEmbedder


@pytest.fixture
def embedder(request):
    return getattr(request, "param", HashingEmbedder)()


def texts(n, prefix="f", words=""):
    return [(f"{prefix}{i}.txt", f"{words} the word {prefix}{i}q stands here".encode()) for i in range(n)]


def counts(info):
    each = info.file_counts
    return (each.in_progress, each.completed, each.failed, each.cancelled)
