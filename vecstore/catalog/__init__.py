"""All that must not be lost: files, vector stores, members, chunks, vectors, the ledger. The only truth."""

from vecstore.catalog.catalog import Catalog
from vecstore.catalog.report import inconsistencies
from vecstore.catalog.statements import PreparedFile

__all__ = ["Catalog", "PreparedFile", "inconsistencies"]
