"""vecstore's two indexes and their fusion alone, down to the numbers of the best chunks: no texts, no citations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.speed.engines.vecstore import Vecstore, wanted_of
from bench.speed.given import DEPTH, RESULTS, Question
from vecstore.filters import parse_filter
from vecstore.rank import fuse
from vecstore.search import query_words

_EMBEDDING_WEIGHT = {"hybrid": 0.5, "dense": 1.0, "keyword": 0.0}


class Indexes(Vecstore):
    """What lies below the library, beside peers that answer with bare numbers, too."""

    def search(self, question: Question) -> Sequence[int | str]:
        parts, store_id, wanted = self._store._parts, self._store.id, wanted_of(question.filter)  # noqa: SLF001
        shard, members = parts.shards.get(store_id), None
        if wanted is not None:
            members = parts.catalog.allowed_members(store_id, parse_filter(wanted))
        found = shard.candidates(
            None if question.leg == "keyword" else question.vector,
            [] if question.leg == "dense" else query_words(question.text, shard.languages()),
            depth=DEPTH,
            members=members,
        )
        weight = _EMBEDDING_WEIGHT[question.leg]
        scores = fuse(found.cosines, found.bm25, found.highest_bm25, weight).scores
        near = found.cosines * (weight > 0)  # all that tells those below the floor apart, as in the library
        best = np.lexsort((found.numbers, -near, -scores))[:RESULTS]
        return [int(number) - 1 for number in found.numbers[best]]  # the catalogue counts from 1


make = Indexes
