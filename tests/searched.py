"""What tests of searches share: files to be found, and the two legs alone."""

from vecstore import (
    HybridSearch,
    Source,
)

WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)


MEANING_ONLY = HybridSearch(embedding_weight=1, text_weight=0)


def add(store, *texts, **keywords):
    """Files `0.txt`, `1.txt`, ... with these texts, added together."""
    sources = [Source(f"{i}.txt", text.encode()) for i, text in enumerate(texts)]
    return [store.file(added.file_id) for added in store.add_many(sources, **keywords)]


def names(results):
    return [result.filename for result in results]


def found(store, query="pear"):
    """The files that each leg finds."""
    return [
        sorted({result.filename for result in store.search(query, max_num_results=50, hybrid_search=leg)})
        for leg in (MEANING_ONLY, WORDS_ONLY)
    ]
