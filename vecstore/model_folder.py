"""A model of sentence-transformers as a user names it: by a folder, or on the hub."""

from __future__ import annotations

from pathlib import Path

from vecstore.errors import InvalidRequestError


def checked_model(model: object) -> str:
    """The folder or name. Raises InvalidRequestError for what is neither."""
    if not isinstance(model, str | Path) or not str(model).strip():
        raise InvalidRequestError("model", f"must be a folder or a name on the hub, not {model!r:.80}")
    return str(model)


def problem_of_folder(name: str) -> str | None:
    """What keeps a model from being read where its name can only be that of a folder; on the hub it is OWNER/MODEL."""
    path = Path(name)
    if path.is_dir():
        return None
    if path.is_file():
        return f"{name} is a file, not the folder of a model"
    if name.startswith(("/", ".", "~")) or path.is_absolute() or name.count("/") > 1:
        return f"the folder {name} does not exist"
    return None
