"""All that must not be lost: files, vector stores, members, chunks, vectors, the ledger. The only truth."""

from vecstore.catalog.catalog import Catalog
from vecstore.catalog.contents import kind_of, prepared_before
from vecstore.catalog.report import inconsistencies
from vecstore.catalog.schema import DEFAULT_PROJECT
from vecstore.catalog.schema import HEAD as FORMAT
from vecstore.catalog.statements import PreparedFile

__all__ = ["DEFAULT_PROJECT", "FORMAT", "Catalog", "PreparedFile", "inconsistencies", "kind_of", "prepared_before"]
