"""What a node of a syntax tree is called, if it is a symbol."""

from __future__ import annotations

import re
from typing import Any

from ingestion.parsers.blocks import LABEL_CHARS

_FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function", "class"})
_VALUED = {  # symbols where their value is a function: the fields of the name and of the value
    "variable_declarator": ("name", "value"),
    "field_definition": ("property", "value"),
    "public_field_definition": ("name", "value"),
    "pair": ("key", "value"),
    "assignment_expression": ("left", "right"),
}
_BODIED = frozenset(  # without a body they are only mentioned
    {"struct_specifier", "union_specifier", "enum_specifier", "class_specifier", "mod_item", "namespace_definition"}
)
_TYPE_ARGUMENTS = re.compile(r"<[\w\s,:*&.']*>")
_RECEIVER = re.compile(rb"\(\s*(?:\w+\s+)?[*\s]*(\w+)")


def name_of(source: bytes, node: Any, *, in_function: bool) -> str:
    """Its own name, with the type that a method of Go or C++ names itself; "" where it is no symbol."""
    kind = node.type
    if kind in _BODIED and not node.child_by_field_name("body"):
        return ""
    if kind == "export_statement":
        return "default" if _is_function(node.child_by_field_name("value")) else ""
    if kind in _VALUED:
        name, value = _VALUED[kind]
        found = node.child_by_field_name(name) if _is_function(node.child_by_field_name(value)) else None
    elif kind in {"declaration", "field_declaration"}:  # in a function it is a variable with arguments
        found = None if in_function else _declared(node)
    elif kind == "type_definition":
        found = _typedef(node)
    elif kind == "impl_item":
        found = node.child_by_field_name("type")
    else:
        found = node.child_by_field_name("name") or _declared(node)
    return _receiver(source, node) + _text(source, found) if found else ""


def _is_function(value: Any) -> bool:
    return value is not None and value.type in _FUNCTIONS


def _declared(node: Any) -> Any:
    """The name in a declarator of C, if it is a function's."""
    inside = node.child_by_field_name("declarator")
    while inside and inside.type in {"pointer_declarator", "reference_declarator"}:
        inside = inside.child_by_field_name("declarator") or inside.named_child(inside.named_child_count - 1)
    if not inside or inside.type != "function_declarator":
        return inside if inside and inside.type == "operator_cast" else None
    name = inside.child_by_field_name("declarator")
    return None if name and name.type == "parenthesized_declarator" else name


def _typedef(node: Any) -> Any:
    """The name of a struct that has none of its own."""
    specifier = node.child_by_field_name("type")
    if not specifier or specifier.type not in _BODIED or specifier.child_by_field_name("name"):
        return None
    return node.child_by_field_name("declarator")


def _receiver(source: bytes, node: Any) -> str:
    """The type that a method of Go belongs to."""
    receiver = node.child_by_field_name("receiver") if node.type == "method_declaration" else None
    found = _RECEIVER.match(source, receiver.start_byte, receiver.end_byte) if receiver else None
    return f"{found[1].decode(errors='ignore')}." if found else ""


def _text(source: bytes, node: Any) -> str:
    raw = source[node.start_byte : min(node.end_byte, node.start_byte + LABEL_CHARS)]
    text = raw.decode(errors="ignore").strip("\"'`")
    if node.type == "operator_cast":
        text = text.partition("(")[0]
    return _TYPE_ARGUMENTS.sub("", text).replace("::", ".")
