"""What JSON Schema cannot say: such requests are not made."""

import schemathesis


@schemathesis.hook
def filter_body(context, body):
    return _can_be_said(body)


@schemathesis.hook
def filter_case(context, case):
    return _can_be_said(case.body)


def _can_be_said(body):
    return not any(_overlaps_too_much(each) for each in _objects(body)) and _depth(body) <= 16


def _overlaps_too_much(value):
    size, overlap = value.get("max_chunk_size_tokens"), value.get("chunk_overlap_tokens")
    return isinstance(size, int | float) and isinstance(overlap, int | float) and 2 * overlap > size


def _objects(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)


def _depth(value):
    """Of filters in filters."""
    if isinstance(value, dict):
        return ("filters" in value) + max((_depth(each) for each in value.values()), default=0)
    return max((_depth(each) for each in value), default=0) if isinstance(value, list) else 0
