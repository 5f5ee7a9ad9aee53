"""Template filters for code in running text."""

import re
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def breakable(value: Any) -> SafeString:
    """Let a long dotted name break after its dots, underscores and slashes."""
    return mark_safe(re.sub(r"([._/])(?=\w)", r"\1<wbr>", escape(value)))  # noqa: S308 - escaped
