"""`expires_after` of vector stores and files: OpenAI's policies and their bounds, in whole seconds."""

from __future__ import annotations

from collections.abc import Mapping

from vecstore.errors import InvalidRequestError

DAY_S = 86_400
MIN_DAYS, MAX_DAYS = 1, 365  # OpenAI: VectorStoreExpirationAfter
MIN_FILE_S, MAX_FILE_S = 3_600, 2_592_000  # OpenAI: FileExpirationAfter
UPLOAD_S = 3_600  # OpenAI: an upload that is not completed


def checked_days(policy: Mapping[str, object] | None) -> int | None:
    """Days after the last activity that a vector store expires; None for never. Raises InvalidRequestError.

    policy: `{"anchor": "last_active_at", "days": 7}`
    """
    return None if policy is None else _checked(policy, "last_active_at", "days", MIN_DAYS, MAX_DAYS)


def checked_seconds(policy: Mapping[str, object] | None) -> int | None:
    """Seconds after its creation that a file expires; None for never. Raises InvalidRequestError.

    policy: `{"anchor": "created_at", "seconds": 3600}`
    """
    return None if policy is None else _checked(policy, "created_at", "seconds", MIN_FILE_S, MAX_FILE_S)


def policy_of(days: int | None) -> dict[str, object] | None:
    """The policy as it was given."""
    return None if days is None else {"anchor": "last_active_at", "days": days}


def _checked(policy: Mapping[str, object], anchor: str, unit: str, least: int, most: int) -> int:
    if not isinstance(policy, Mapping) or set(policy) != {"anchor", unit}:
        raise InvalidRequestError("expires_after", f"must have anchor and {unit}, not {policy!r:.100}")
    if policy["anchor"] != anchor:
        raise InvalidRequestError("expires_after.anchor", f"must be '{anchor}', not {policy['anchor']!r:.40}")
    value = policy[unit]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRequestError(
            f"expires_after.{unit}", f"must be a whole number {least} to {most}, not {value!r:.40}"
        )
    return value
