"""What several tests of parsers look at."""

from ingestion import parse


def spans(document, kind):
    return [
        (span.label, span.level, document.text[span.start : span.end]) for span in document.spans if span.kind == kind
    ]


def read(text, name):
    return parse(text.encode(), name)
