"""The cart: what it keeps, what it comes to, and what it refuses."""

from decimal import Decimal

import pytest
from django.test import Client

from lab.cart import QUANTITY_MAX
from lab.models import Product
from tests.lab.visiting import PASSWORD, contents, key_of, stored, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def biscuits() -> Product:
    return Product.objects.get(name="Ginger biscuits")


def post(visitor: Client, action: str, product: object = "", quantity: object = "") -> str:
    form = {"action": action, "product": str(product), "quantity": str(quantity)}
    return text_of(visitor.post("/cart/", form, follow=True))


def test_money_is_decimal_and_kept_as_text(engine: str, visitor: Client, biscuits: Product) -> None:
    page = post(visitor, "add", biscuits.pk, 3)
    assert contents(visitor)["cart"] == {str(biscuits.pk): {"quantity": 3, "price": "4.50"}}
    assert f'data-total="{Decimal("4.50") * 3}"' in page


@pytest.mark.lesson(38)
def test_adding_changing_removing_and_emptying(
    engine: str, visitor: Client, biscuits: Product
) -> None:
    jar = Product.objects.get(name="Cookie jar")

    def quantities() -> dict[str, int]:
        return {key: line["quantity"] for key, line in contents(visitor).get("cart", {}).items()}

    post(visitor, "add", biscuits.pk, 2)
    post(visitor, "add", biscuits.pk, 3)
    post(visitor, "add", jar.pk, 1)
    assert quantities() == {str(biscuits.pk): 5, str(jar.pk): 1}
    post(visitor, "change", biscuits.pk, 4)
    assert quantities() == {str(biscuits.pk): 4, str(jar.pk): 1}
    post(visitor, "remove", biscuits.pk)
    assert quantities() == {str(jar.pk): 1}
    page = post(visitor, "empty")
    assert quantities() == {}
    assert "Nothing yet." in page


def test_a_price_holds_as_it_was_when_added(visitor: Client, biscuits: Product) -> None:
    post(visitor, "add", biscuits.pk, 2)
    Product.objects.filter(pk=biscuits.pk).update(price=Decimal("9.99"))
    assert 'data-total="9.00"' in text_of(visitor.get("/cart/"))


def test_a_product_that_is_gone_leaves_the_cart_readable(
    visitor: Client, biscuits: Product
) -> None:
    post(visitor, "add", biscuits.pk, 2)
    biscuits.delete()
    assert "Nothing yet." in text_of(visitor.get("/cart/"))


@pytest.mark.parametrize("quantity", ["0", "-1", "1000000000", "many", "", "1.5", "9" * 5000])
@pytest.mark.parametrize("action", ["add", "change"])
def test_a_wrong_quantity_is_said_beside_the_field_and_nothing_is_saved(
    engine: str, visitor: Client, biscuits: Product, action: str, quantity: str
) -> None:
    post(visitor, "add", biscuits.pk, 2)
    before = stored(), contents(visitor)
    page = post(visitor, action, biscuits.pk, quantity)
    name = f"{action}_{biscuits.pk}_quantity"
    assert f'id="{name}_error"' in page
    field = page.split(f'id="{name}"')[0].rsplit("<input", 1)[1]
    assert f'value="{quantity}"' in field or not quantity
    assert 'data-saved="no"' in page
    assert (stored(), contents(visitor)) == before


def test_a_cart_takes_so_many_of_one_product(visitor: Client, biscuits: Product) -> None:
    post(visitor, "add", biscuits.pk, QUANTITY_MAX)
    page = post(visitor, "add", biscuits.pk, 1)
    assert f"takes up to {QUANTITY_MAX}" in page
    assert contents(visitor)["cart"][str(biscuits.pk)]["quantity"] == QUANTITY_MAX


@pytest.mark.parametrize("product", ["0", "-1", "999999999999999999999", "biscuits", "", "1\0"])
@pytest.mark.parametrize("action", ["add", "change", "remove"])
def test_an_unknown_product_is_named_and_nothing_is_saved(
    visitor: Client, action: str, product: str
) -> None:
    page = post(visitor, action, product, 7)
    assert 'role="alert"' in page
    assert "There is no product" in page
    assert "so 7 of it" in page
    assert not key_of(visitor)


def test_an_action_that_does_not_exist_is_a_bad_request(visitor: Client) -> None:
    assert visitor.post("/cart/", {"action": "steal"}).status_code == 400


def test_an_anonymous_cart_survives_signing_in_under_a_new_key(
    engine: str, visitor: Client, biscuits: Product, ada: object
) -> None:
    post(visitor, "add", biscuits.pk, 2)
    anonymous, cart = key_of(visitor), contents(visitor)["cart"]
    visitor.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    assert key_of(visitor) != anonymous
    assert contents(visitor)["cart"] == cart
    assert contents(visitor)["_auth_user_id"]
