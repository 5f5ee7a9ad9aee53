"""Fill the catalogue, as the role that owns the schema; the app's own role could do so as well."""

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CATALOGUE = (
    ("Ginger biscuits", "A tin of twenty, snapped by hand.", Decimal("4.50")),
    ("Oat cookies", "Twelve, with raisins and a little salt.", Decimal("3.20")),
    ("Almond crescents", "Two hundred grams, dusted with sugar.", Decimal("6.75")),
    ("Shortbread", "Eight fingers, mostly butter.", Decimal("5.10")),
    ("Stroopwafels", "Ten, best on a warm cup.", Decimal("3.95")),
    ("Cookie jar", "Stoneware with a lid, holds 4,096 crumbs.", Decimal("24.00")),
)


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the products."""
    product = apps.get_model("lab", "Product")
    product.objects.bulk_create(
        product(name=name, note=note, price=price) for name, note, price in CATALOGUE
    )


class Migration(migrations.Migration):
    dependencies = [("lab", "0001_product")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
