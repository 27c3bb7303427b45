"""What a verdict about a pattern may hold (intelligence §8)."""

from typing import Any, Final

from bridge_app.errors import ValidationError
from bridge_app.events.fields import TEXT, Choice, Errors, Object
from bridge_app.json_values import unstorable

VERDICTS: Final = ("false_positive", "confirmed")
FEEDBACK_BODY: Final = Object({"verdict": Choice(VERDICTS), "comment": TEXT}, required=("verdict",))


def read_feedback(body: Any) -> tuple[str, str | None]:
    """Return verdict and comment.

    Raises:
        ValidationError: the body breaks its contract; every field found wrong is named.
    """
    errors: Errors = []
    read = FEEDBACK_BODY.read(body, None, errors)
    errors += unstorable(body)
    if errors:
        raise ValidationError(errors)
    return read["verdict"].lower(), read.get("comment")
