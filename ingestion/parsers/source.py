"""Source code and JSON: the text as it stands, and a symbol span for each class and function that is easily found."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from itertools import accumulate

from ingestion.parsers.text import read_text
from ingestion.types import Document, Span

MAX_CHECKED_CHARS = 2_000_000  # longer files are generated or minified: their text is enough
MAX_LINE_CHARS = 300

_KEYWORDS = re.compile(r"(?:if|else|for|while|switch|return|catch|do|new|throw|case|using|await|with|sizeof|elif)$")

_DECLARATION = re.compile(
    r"(?P<indent>[ \t]*)(?:(?:export|default|public|private|protected|internal|static|abstract|final|sealed|partial|"
    r"async|pub(?:\(\w+\))?|unsafe|open|override|data|inline|virtual|readonly|declare|case)[ \t]+)*"
    r"(?:class|interface|struct|enum|trait|impl|namespace|module|object|record|protocol|extension|"
    r"func|function|fn|def|fun|type)\*?[ \t]+(?:\([^()\n]*\)[ \t]*)?(?P<name>[A-Za-z_$][\w$.:]*)"
)
# a C, C++, C# or Java function: at least a type, the name, parentheses, and no semicolon after them
_FUNCTION = re.compile(r"(?P<indent>[ \t]*)(?:[\w:<>,*&\[\]]+[ \t]+)+[*&]*(?P<name>~?[A-Za-z_][\w:~]*)[ \t]*\([^;=]*$")
_ARROW = re.compile(
    r"(?P<indent>[ \t]*)(?:export[ \t]+)?(?:const|let|var)[ \t]+(?P<name>[A-Za-z_$][\w$]*)[ \t]*=[ \t]*"
    r"(?:async[ \t]+)?(?:function\b|\([^()\n]*\)[ \t]*(?::[^=\n]+)?=>|\w+[ \t]*=>)"
)
_SHELL = re.compile(r"(?P<indent>[ \t]*)(?:function[ \t]+)?(?P<name>[A-Za-z_][\w-]*)[ \t]*\([ \t]*\)")
_SQL = re.compile(
    r"(?i)(?P<indent>)create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:temp(?:orary)?[ \t]+)?"
    r"(?:table|view|function|procedure|index|trigger)[ \t]+(?:if[ \t]+not[ \t]+exists[ \t]+)?(?P<name>[\w.\"`]+)"
)

_BRACES = (_DECLARATION, _FUNCTION)
_SCRIPT = (_DECLARATION, _ARROW)
_PATTERNS = {
    "text/x-c": _BRACES,
    "text/x-c++": _BRACES,
    "text/x-csharp": _BRACES,
    "text/x-java": _BRACES,
    "text/javascript": _SCRIPT,
    "application/typescript": _SCRIPT,
    "application/x-sh": (_SHELL,),
    "application/sql": (_SQL,),
}


def read(data: bytes, filename: str, media_type: str) -> Document:
    text, said = read_text(data, filename)
    if len(text) > MAX_CHECKED_CHARS:
        return Document(text, media_type, (), said)
    if media_type == "application/json":
        return Document(text, media_type, (), said + _json_warnings(text, filename))
    symbols = _python_symbols(text) if media_type == "text/x-python" else _line_symbols(text, media_type)
    return Document(text, media_type, tuple(sorted(symbols, key=lambda span: (span.start, -span.end))), said)


def _json_warnings(text: str, filename: str) -> tuple[str, ...]:
    try:
        json.loads(text, parse_int=float)  # int takes quadratic time in its digits
    except RecursionError:
        return (f"'{filename}' is JSON nested too deep to check; read as text",)
    except ValueError as error:
        return (f"'{filename}' is not valid JSON ({error}); read as text",)
    return ()


def _python_symbols(text: str) -> list[Span]:
    """Classes and functions with their decorators, named like `Class.method`; none where the file does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last: nested too deep for the parser's stack
        return []
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    spans: list[Span] = []
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                last = child.end_lineno or child.lineno
                end = min(starts[last], len(text))
                spans.append(Span("symbol", starts[first - 1], end, prefix + child.name))
                waiting.append((child, f"{prefix}{child.name}."))
            elif isinstance(child, ast.stmt):
                waiting.append((child, prefix))
    return spans


def _line_symbols(text: str, media_type: str) -> list[Span]:
    """A symbol runs from its first line to the next one that is indented no deeper."""
    spans: list[Span] = []
    open_symbols: list[tuple[int, int, str]] = []  # indent, start, name
    for start, indent, name in _heads(text, _PATTERNS.get(media_type, (_DECLARATION,))):
        while open_symbols and open_symbols[-1][0] >= indent:
            _, opened, label = open_symbols.pop()
            spans.append(Span("symbol", opened, start, label))
        open_symbols.append((indent, start, name))
    spans.extend(Span("symbol", opened, len(text), label) for _, opened, label in open_symbols)
    return spans


def _heads(text: str, patterns: tuple[re.Pattern[str], ...]) -> Iterator[tuple[int, int, str]]:
    """Start, indent and name of each line that begins a class or a function."""
    start = 0
    for line in text.split("\n"):
        if 0 < len(line) <= MAX_LINE_CHARS and not line.lstrip().startswith(
            ("//", "#", "*", "return ", "else ", "new ")
        ):
            found = next((match for pattern in patterns if (match := pattern.match(line))), None)
            if found and not _KEYWORDS.match(found["name"]):
                yield start, len(found["indent"].expandtabs(4)), found["name"]
        start += len(line) + 1
