"""A session beside a cookie and a token."""

import base64
import hashlib
import hmac
import json

import pytest
from django.test import Client

from lab.lessons import tokens as lesson
from tests.lab.visiting import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(7, 23, 24, 41)]


def test_each_way_says_where_who_and_how_long(visitor: Client) -> None:
    page = text_of(visitor.get("/tokens/"))
    for way in lesson.ways():
        for said in (way.name, way.kept, way.read_by, way.revoked, way.right_for):
            assert said in page
        assert way.sent in page
    for what, where in lesson.INSTEAD:
        assert what in page
        assert where in page


def test_the_token_is_one() -> None:
    header, body, signature = lesson.token(lesson.VALUES, b"key").split(".")

    def read(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "===")

    assert json.loads(read(header)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(read(body)) == lesson.VALUES
    assert read(signature) == hmac.digest(b"key", f"{header}.{body}".encode(), hashlib.sha256)


def test_a_session_sends_its_key_alone() -> None:
    sizes = {way.name: way.size for way in lesson.ways()}
    assert sizes["Session"] == 32
    assert sizes["No session at all"] == 0
    assert sizes["JSON Web Token"] > sizes["Plain cookie"] > sizes["Session"]
