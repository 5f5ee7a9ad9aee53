"""The forms with which a visitor changes values in the session."""

import json
import math
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

KEY_CHARACTERS = 40
VALUE_CHARACTERS = 2000
DEPTH = 32  # levels of lists and objects
KEYS = 20

# Written by the other pages, which rely on what they wrote.
RESERVED = {"visits", "cart", "key_steps", "expiry_choice", "until_browser_closes"}


def own_key(name: str) -> None:
    """Raise ValidationError for a name that is not the visitor's to change."""
    if name.startswith("_"):
        # _auth_user_id says who is signed in.
        raise ValidationError("Names that begin with an underscore belong to Django.")
    if name in RESERVED:
        raise ValidationError(f"“{name}” belongs to another page of this site.")


def parse(text: str) -> Any:
    """Return the JSON value.

    Raises:
        ValidationError: where it is no JSON, or none that every engine can keep.
    """
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"This is no JSON: {error.msg.lower()} at line {error.lineno}, "
            f"column {error.colno}. Text needs double quotes."
        ) from error
    except RecursionError as error:
        raise ValidationError(f"This is nested deeper than {DEPTH} levels.") from error
    require_storable(value, DEPTH)
    return value


def refuse_constant(name: str) -> None:
    """Refuse what Python's parser takes and JSON lacks: NaN and the infinities."""
    raise ValidationError(f"This is no JSON: it has no {name}.")


def require_storable(value: Any, levels: int) -> None:
    """Raise ValidationError for nesting, numbers or text that not every engine can keep."""
    if isinstance(value, dict | list):
        if not levels:
            raise ValidationError(f"This is nested deeper than {DEPTH} levels.")
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        for part in parts:
            require_storable(part, levels - 1)
    elif isinstance(value, float) and math.isinf(value):
        raise ValidationError("This number is too large.")
    elif isinstance(value, str) and has_lone_surrogate(value):
        raise ValidationError("This text holds half of a character (a lone surrogate).")


def has_lone_surrogate(text: str) -> bool:
    """Return whether the text can't be written as UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)


class SetForm(forms.Form):
    """Set one key to a JSON value."""

    key = forms.CharField(
        max_length=KEY_CHARACTERS,
        validators=[own_key],
        help_text=f"Up to {KEY_CHARACTERS} characters.",
    )
    value = forms.CharField(
        max_length=VALUE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text='JSON: 42, "text", [1, 2] or {"size": {"width": 3}}.',
    )

    def clean_value(self) -> Any:
        """Return the value that the JSON text stands for."""
        return parse(self.cleaned_data["value"])


class KeyForm(forms.Form):
    """Name one key."""

    key = forms.CharField(max_length=KEY_CHARACTERS)


class DeleteForm(KeyForm):
    """Name one key of the visitor's own."""

    key = forms.CharField(max_length=KEY_CHARACTERS, validators=[own_key])
