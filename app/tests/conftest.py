"""What every test of the app shares."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def static_files_of_the_image(settings: Settings) -> None:
    """Take the static files from the image, which collected them when it was built."""
    settings.STATIC_ROOT = "/app/staticfiles"


@pytest.fixture(autouse=True)
def passwords_that_are_hashed_fast(settings: Settings) -> None:
    """Hash passwords fast: nobody guesses at those of the tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
