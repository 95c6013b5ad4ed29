"""The languages whose syntax is known, and what their trees call the symbols."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Grammar:
    """A tree-sitter language: the package it is in, and its names of nodes.

    `symbols` may be one, if they have a name; `wrappers` begin and end with the symbol that they hold;
    `above` stand in front of a symbol and belong to it.
    """

    package: str
    symbols: frozenset[str]
    wrappers: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset({"comment"})
    entry: str = "language"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCRIPT_SYMBOLS = _words(
    "class_declaration function_declaration generator_function_declaration method_definition field_definition "
    "variable_declarator assignment_expression pair export_statement"
)
_TYPED_SYMBOLS = _SCRIPT_SYMBOLS | _words(
    "abstract_class_declaration interface_declaration enum_declaration type_alias_declaration internal_module module "
    "function_signature method_signature abstract_method_signature public_field_definition"
)
_SCRIPT_WRAPPERS = _words(
    "export_statement lexical_declaration variable_declaration expression_statement ambient_declaration"
)
_TYPED_ABOVE = _words("comment decorator")
_C_SYMBOLS = _words(
    "function_definition declaration field_declaration struct_specifier union_specifier enum_specifier type_definition"
)
_C_WRAPPERS = _words("declaration field_declaration type_definition linkage_specification")

_C = Grammar("tree_sitter_c", _C_SYMBOLS, _C_WRAPPERS)
_CPP = Grammar(
    "tree_sitter_cpp",
    _C_SYMBOLS | _words("class_specifier namespace_definition"),
    _C_WRAPPERS | {"template_declaration"},
)
_TYPESCRIPT = Grammar("tree_sitter_typescript", _TYPED_SYMBOLS, _SCRIPT_WRAPPERS, _TYPED_ABOVE, "language_typescript")
_TSX = Grammar("tree_sitter_typescript", _TYPED_SYMBOLS, _SCRIPT_WRAPPERS, _TYPED_ABOVE, "language_tsx")

_GRAMMARS = {
    "application/typescript": _TYPESCRIPT,
    "application/x-sh": Grammar("tree_sitter_bash", _words("function_definition")),
    "text/javascript": Grammar("tree_sitter_javascript", _SCRIPT_SYMBOLS, _SCRIPT_WRAPPERS),
    "text/x-c": _C,
    "text/x-c++": _CPP,
    "text/x-csharp": Grammar(
        "tree_sitter_c_sharp",
        _words(
            "namespace_declaration class_declaration struct_declaration interface_declaration enum_declaration "
            "record_declaration method_declaration constructor_declaration local_function_statement"
        ),
    ),
    "text/x-golang": Grammar(
        "tree_sitter_go",
        _words("function_declaration method_declaration method_elem type_spec"),
        _words("type_declaration"),
    ),
    "text/x-java": Grammar(
        "tree_sitter_java",
        _words(
            "module_declaration class_declaration interface_declaration enum_declaration record_declaration "
            "annotation_type_declaration method_declaration constructor_declaration compact_constructor_declaration"
        ),
        above=_words("line_comment block_comment"),
    ),
    "text/x-php": Grammar(
        "tree_sitter_php",
        _words(
            "namespace_definition class_declaration interface_declaration trait_declaration enum_declaration "
            "function_definition method_declaration"
        ),
        entry="language_php",
    ),
    "text/x-python": Grammar(
        "tree_sitter_python", _words("class_definition function_definition"), _words("decorated_definition")
    ),
    "text/x-ruby": Grammar(
        "tree_sitter_ruby", _words("module class method singleton_method"), _words("call argument_list")
    ),
    "text/x-rust": Grammar(
        "tree_sitter_rust",
        _words(
            "mod_item struct_item enum_item union_item trait_item impl_item function_item function_signature_item "
            "macro_definition"
        ),
        above=_words("line_comment block_comment attribute_item"),
    ),
}

# What a header has that is not C
_CPP_LINE = re.compile(
    r"^[ \t]*(?:(?:class|namespace|template|using)\b|(?:public|private|protected)[ \t]*:)", re.MULTILINE
)


def grammar_of(media_type: str, filename: str, text: str) -> Grammar | None:
    """By the type; of the types that hold two languages, by the name and the look of the text."""
    extension = PurePath(filename).suffix.lower()
    if extension == ".tsx":
        return _TSX
    if extension == ".h" and _CPP_LINE.search(text):
        return _CPP
    return _GRAMMARS.get(media_type)
