"""All that must not be lost: files, vector stores, members, chunks, vectors, the ledger. The only truth."""

from vecstore.catalog.catalog import Catalog
from vecstore.catalog.contents import contents_of, kind_of, prepared_before, renamed
from vecstore.catalog.report import inconsistencies
from vecstore.catalog.schema import DEFAULT_PROJECT
from vecstore.catalog.schema import HEAD as FORMAT
from vecstore.catalog.statements import PreparedFile

__all__ = [
    "DEFAULT_PROJECT",
    "FORMAT",
    "Catalog",
    "PreparedFile",
    "contents_of",
    "inconsistencies",
    "kind_of",
    "prepared_before",
    "renamed",
]
