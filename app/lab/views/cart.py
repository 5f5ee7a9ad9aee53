"""A small catalogue and a cart."""

from typing import Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from lab import cart as carts
from lab.cart import QUANTITY_MAX, QuantityForm
from lab.models import Product

IDS = {"add": "add_{}_%s", "change": "change_{}_%s"}


@never_cache
def cart(request: HttpRequest) -> HttpResponse:
    """Show catalogue and cart, and do what a form asks."""
    products = list(Product.objects.all())
    wrong: dict[str, Any] = {}
    if request.method == "POST":
        wrong = act(request, products)
        if not wrong:
            return redirect("cart")
    in_cart = carts.lines(request.session, products)
    forms = wrong.get("forms", {})
    context = {
        "unknown": wrong.get("unknown"),
        "catalogue": [
            (product, forms.get(("add", product.pk)) or form_for("add", product, 1))
            for product in products
        ],
        "lines": [
            (
                line,
                forms.get(("change", line.product.pk))
                or form_for("change", line.product, line.quantity),
            )
            for line in in_cart
        ],
        "total": sum(line.total for line in in_cart),
        "stored": carts.stored(request.session),
        "most": QUANTITY_MAX,
    }
    return render(request, "lab/cart.html", context)


def act(request: HttpRequest, products: list[Product]) -> dict[str, Any]:
    """Do what the form asks; return what is wrong with it, or nothing."""
    action = request.POST.get("action", "")
    if action == "empty":
        carts.empty(request.session)
        return {}
    if action not in ("add", "change", "remove"):
        raise SuspiciousOperation("There is no such action on this page.")
    wanted = request.POST.get("product", "")
    product = next((product for product in products if str(product.pk) == wanted), None)
    if product is None:
        quantity = request.POST.get("quantity", "")
        return {"unknown": {"product": wanted[:40], "quantity": quantity[:40]}}
    if action == "remove":
        carts.remove(request.session, product)
        return {}
    form = QuantityForm(request.POST, auto_id=IDS[action].format(product.pk))
    if form.is_valid():
        quantity = form.cleaned_data["quantity"]
        if action == "add":
            had = carts.stored(request.session).get(wanted, {}).get("quantity", 0)
            quantity += had
        try:
            if quantity > QUANTITY_MAX:
                raise ValidationError(f"A cart takes up to {QUANTITY_MAX} of one product.")
            carts.put(request.session, product, quantity)
        except ValidationError as error:
            form.add_error("quantity", error)
    return {} if form.is_valid() else {"forms": {(action, product.pk): form}}


def form_for(action: str, product: Product, quantity: int) -> QuantityForm:
    """Return the form as it stands before anybody typed."""
    auto_id = IDS[action].format(product.pk)
    return QuantityForm(initial={"quantity": quantity}, auto_id=auto_id)
