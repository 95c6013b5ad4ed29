"""Texts to vectors: the default model, any sentence-transformers model, an OpenAI-compatible URL, or your object."""

from vecstore.embed.base import (
    EMBED_AT_ONCE,
    BatchEmbedder,
    Compressed,
    Embedder,
    PartialReader,
    Speaker,
    embed_checked,
    embed_query_checked,
    floor_of,
    knows,
    share_read,
    texts_at_once,
)
from vecstore.embed.hashing import HashingEmbedder
from vecstore.embed.multilingual import MultilingualEmbedder
from vecstore.embed.recent import RecentQueries
from vecstore.embed.remote import OpenAIEmbedder
from vecstore.embed.sentence_transformer import SentenceTransformerEmbedder, default_embedder

__all__ = [
    "EMBED_AT_ONCE",
    "BatchEmbedder",
    "Compressed",
    "Embedder",
    "HashingEmbedder",
    "MultilingualEmbedder",
    "OpenAIEmbedder",
    "PartialReader",
    "RecentQueries",
    "SentenceTransformerEmbedder",
    "Speaker",
    "default_embedder",
    "embed_checked",
    "embed_query_checked",
    "floor_of",
    "knows",
    "share_read",
    "texts_at_once",
]
