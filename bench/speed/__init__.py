"""`python -m bench speed`: searches and ingestion beside other embedded engines, on the same chunks and vectors."""
