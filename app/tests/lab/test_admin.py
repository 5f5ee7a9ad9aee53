"""The admin: who may enter, what it shows of sessions, and that it ends them for good."""

import re
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from accounts.fingerprint import fingerprint
from lab.models import Product
from tests.lab.visiting import key_of, text_of

pytestmark = pytest.mark.django_db

SESSIONS = "/admin/sessions/session/"


@pytest.fixture
def staff(db: None) -> Client:
    user = get_user_model().objects.create_superuser("root", "root@example.org", "x" * 20)
    client = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    client.force_login(user)
    return client


def signed_in(visitor: Client, user: Any) -> Client:
    visitor.force_login(user)
    return visitor


@pytest.mark.parametrize("path", ["/admin/", SESSIONS, "/admin/auth/user/", "/admin/lab/product/"])
def test_only_staff_enters(visitor: Client, ada: Any, path: str) -> None:
    answer = visitor.get(path, follow=True)
    assert unquote(answer.redirect_chain[-1][0]) == f"/accounts/login/?next={path}"
    signed_in(visitor, ada)
    answer = visitor.get(path, follow=True)
    assert unquote(answer.redirect_chain[-1][0]) == f"/accounts/login/?next={path}"


def test_there_is_one_form_to_sign_in_with(visitor: Client, ada: Any) -> None:
    form = {"username": "ada", "password": "x"}
    assert visitor.post("/admin/login/", form)["Location"].startswith("/accounts/login/")


def test_sessions_are_shown_with_user_and_expiry_and_without_a_key(
    staff: Client, visitor: Client, ada: Any
) -> None:
    visitor.get("/")
    anonymous = key_of(visitor)
    other = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    signed_in(other, ada)
    page = text_of(staff.get(SESSIONS))
    rows = {
        match[0]: match[1]
        for match in re.findall(r'field-named">([0-9a-f]{12})(.*?)</tr>', page, re.S)
    }
    assert ">nobody<" in rows[fingerprint(anonymous)]
    assert ">ada<" in rows[fingerprint(key_of(other))]
    for key in Session.objects.values_list("session_key", flat=True):
        assert key not in page


def test_ending_a_session_ends_it_in_redis_too(staff: Client, visitor: Client, ada: Any) -> None:
    signed_in(visitor, ada)
    assert visitor.get("/accounts/").status_code == 200
    page = text_of(staff.get(SESSIONS))
    button = re.search(rf'name="row" value="([^"]+~{fingerprint(key_of(visitor))})"', page)
    assert button
    answer = staff.post(f"{SESSIONS}end/", {"row": button[1]}, follow=True)
    assert "has ended" in text_of(answer)
    assert visitor.get("/accounts/").status_code == 302
    assert not Session.objects.filter(session_key=key_of(visitor)).exists()
    assert "gone already" in text_of(staff.post(f"{SESSIONS}end/", {"row": button[1]}, follow=True))
    assert staff.get(SESSIONS).status_code == 200


@pytest.mark.parametrize(
    "row", ["", "~", "today~0123", "2026-01-01~", "2026-01-01T00:00:00+00:00~"]
)
def test_ending_what_is_not_there_ends_nothing(staff: Client, row: str) -> None:
    before = Session.objects.count()
    answer = staff.post(f"{SESSIONS}end/", {"row": row}, follow=True)
    assert "gone already" in text_of(answer)
    assert Session.objects.count() == before


def test_a_link_ends_nothing_and_staff_without_the_right_neither(
    staff: Client, visitor: Client, ada: Any
) -> None:
    assert staff.get(f"{SESSIONS}end/").status_code == 405
    ada.is_staff = True
    ada.save()
    signed_in(visitor, ada)
    assert visitor.post(f"{SESSIONS}end/", {"row": "x"}).status_code == 403


def test_a_row_has_no_page_of_its_own(staff: Client) -> None:
    key = Session.objects.values_list("session_key", flat=True)[0]
    for path in (f"{key}/change/", f"{key}/delete/", f"{key}/history/", "add/"):
        assert staff.get(f"{SESSIONS}{path}").status_code == 404


def test_fifty_sessions_take_a_few_queries(
    staff: Client, ada: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        signed_in(Client(headers={"X-Forwarded-Proto": "https"}), ada)
    with django_assert_max_num_queries(12):
        assert text_of(staff.get(SESSIONS)).count('formaction="') >= 50


@pytest.mark.parametrize(("hours", "live"), [(-1, False), (1, True)])
def test_a_session_is_shown_with_its_own_end(staff: Client, hours: int, live: bool) -> None:
    at = (timezone.now() + timedelta(hours=hours)).replace(second=0, microsecond=0)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session["visits"] = 1
    session.set_expiry(at)
    session.save()
    row = text_of(staff.get(SESSIONS)).split(fingerprint(session.session_key))[1].split("</tr>")[0]
    assert f'alt="{live}"' in row
    assert date_format(timezone.localtime(at), "DATETIME_FORMAT") in row


def test_a_product_is_added_and_stands_in_the_catalogue(staff: Client) -> None:
    form = {"name": "Macaroons", "note": "Six.", "price": "7.20"}
    assert staff.post("/admin/lab/product/add/", form).status_code == 302
    assert Product.objects.get(name="Macaroons").price == Decimal("7.20")
    assert "Macaroons" in text_of(staff.get("/cart/"))
    answer = staff.post("/admin/lab/product/add/", form | {"name": "Air", "price": "-1"})
    assert not Product.objects.filter(name="Air").exists()
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/admin/", SESSIONS, "/admin/auth/user/", "/admin/lab/product/", "/admin/lab/product/add/"],
)
def test_the_policy_of_the_admin_is_as_strict(staff: Client, path: str) -> None:
    answer = staff.get(path)
    policy = answer["Content-Security-Policy"]
    assert "unsafe-" not in policy
    assert "default-src 'none'" in policy
    nonces = set(re.findall(r"<(?:style|script)[^>]* nonce=\"([^\"]+)\"", text_of(answer)))
    assert len(nonces) <= 1
    for nonce in nonces:
        assert f"'nonce-{nonce}'" in policy
