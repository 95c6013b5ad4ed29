"""All that must not be lost: files, vector stores, members, chunks, vectors, the ledger. The only truth."""

from vecstore.catalog.catalog import Catalog
from vecstore.catalog.contents import contents_of, kind_of, prepared_before, renamed
from vecstore.catalog.integrity import database_problems, ledger_problems, lists_contents_whole, mark_problems
from vecstore.catalog.repair import close_account, recount
from vecstore.catalog.report import inconsistencies
from vecstore.catalog.schema import DEFAULT_PROJECT
from vecstore.catalog.schema import HEAD as FORMAT
from vecstore.catalog.statements import PreparedFile

__all__ = [
    "DEFAULT_PROJECT",
    "FORMAT",
    "Catalog",
    "PreparedFile",
    "close_account",
    "contents_of",
    "database_problems",
    "inconsistencies",
    "kind_of",
    "ledger_problems",
    "lists_contents_whole",
    "mark_problems",
    "prepared_before",
    "recount",
    "renamed",
]
