"""The pair of indexes of one vector store: FAISS for vectors, Tantivy for words. A cache of the catalogue."""

from vecstore.index.analyze import NATIVE, NEAR, PHRASE, Token, analyze, native_terms, neighbours, terms
from vecstore.index.codes import Codes
from vecstore.index.keyword import BM25_K1, NEAR_SHARE
from vecstore.index.language import language_of, language_of_query, languages_of_query, load_for
from vecstore.index.measure import IndexInfo
from vecstore.index.segments import Segment
from vecstore.index.shard import LIVE, Candidates, LocalShard, Shard

__all__ = [
    "BM25_K1",
    "LIVE",
    "NATIVE",
    "NEAR",
    "NEAR_SHARE",
    "PHRASE",
    "Candidates",
    "Codes",
    "IndexInfo",
    "LocalShard",
    "Segment",
    "Shard",
    "Token",
    "analyze",
    "language_of",
    "language_of_query",
    "languages_of_query",
    "load_for",
    "native_terms",
    "neighbours",
    "terms",
]
