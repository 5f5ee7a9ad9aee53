"""What the settings make of the environment."""

import runpy

import pytest

from config import settings


@pytest.mark.parametrize("prefix", ["__Host-", "__Host-Http-"])
def test_both_cookies_have_one_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv("SESSION_COOKIE_NAME", f"{prefix}sessionid")
    made = runpy.run_path(settings.__file__)
    assert made["SESSION_COOKIE_NAME"] == f"{prefix}sessionid"
    assert made["CSRF_COOKIE_NAME"] == f"{prefix}csrftoken"
