"""The cart: what a session remembers of it, and what that comes to.

The session keeps `{"cart": {"<product id>": {"quantity": 2, "price": "4.50"}}}`. Prices are text:
JSON has no decimals, and a float is not money.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.sessions.backends.base import SessionBase

from lab.limits import require_room
from lab.models import Product

QUANTITY_MAX = 99
KEY = "cart"
PRICE = re.compile(r"[0-9]{1,8}\.[0-9]{2}")  # as a product has it


@dataclass(frozen=True, slots=True)
class Line:
    """One product in the cart."""

    product: Product
    quantity: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        """Return what this line costs."""
        return self.price * self.quantity


class QuantityForm(forms.Form):
    """How many of one product; 0 is no quantity, as removing has a button of its own."""

    quantity = forms.IntegerField(
        min_value=1,
        max_value=QUANTITY_MAX,
        error_messages={"invalid": "This is no whole number."},
    )


def stored(session: SessionBase) -> dict[str, dict[str, Any]]:
    """Return what the session says, as a copy, as far as this page can have written it."""
    cart = session.get(KEY)
    if not isinstance(cart, dict):
        return {}
    return {product: line for product, line in cart.items() if is_line(line)}


def is_line(line: Any) -> bool:
    """Return whether that is a quantity and a price."""
    match line:
        case {"quantity": int(quantity), "price": str(price)} if 1 <= quantity <= QUANTITY_MAX:
            return PRICE.fullmatch(price) is not None
    return False


def lines(session: SessionBase, products: Iterable[Product]) -> list[Line]:
    """Return the cart's lines, in the catalogue's order; a product that is gone has none."""
    cart = stored(session)
    return [
        Line(product, cart[key]["quantity"], Decimal(cart[key]["price"]))
        for product in products
        if (key := str(product.pk)) in cart
    ]


def put(session: SessionBase, product: Product, quantity: int) -> None:
    """Have that many of the product in the cart, at today's price.

    Raises:
        ValidationError: where the session would grow too large.
    """
    cart = stored(session) | {str(product.pk): {"quantity": quantity, "price": str(product.price)}}
    require_room(session, {KEY: cart})
    session[KEY] = cart


def remove(session: SessionBase, product: Product) -> None:
    """Take the product out of the cart."""
    session[KEY] = {key: line for key, line in stored(session).items() if key != str(product.pk)}


def empty(session: SessionBase) -> None:
    """Take everything out."""
    session.pop(KEY, None)
