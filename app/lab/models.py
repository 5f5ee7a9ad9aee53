"""What the cart is filled from."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models


class Product(models.Model):
    """One thing to put into the cart."""

    name = models.CharField(max_length=60, unique=True)
    note = models.CharField(max_length=120)
    price = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=models.Q(price__gt=0), name="product_has_a_price"),
        )

    def __str__(self) -> str:
        return self.name
