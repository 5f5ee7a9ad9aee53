"""What the layer promises, asked where nothing but Django is installed; run by `site.py test`."""

import os
from unittest import skipUnless

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client, TestCase

from hardened_sessions.format.keys import hashed

COOKIE = "__Host-sessionid"


class Visits(TestCase):
    """A visitor counts, signs in and signs out."""

    def visit(self) -> str:
        return self.client.get("/", secure=True).content.decode()

    def test_a_visitor_is_known_signs_in_under_a_new_key_and_signs_out_for_good(self) -> None:
        assert [self.visit(), self.visit()] == ["1 AnonymousUser", "2 AnonymousUser"]
        before = self.client.cookies[COOKIE].value
        self.client.force_login(User.objects.create_user("ada"))
        assert self.client.cookies[COOKIE].value != before
        assert self.visit() == "3 ada"
        copied = self.client.cookies[COOKIE].value
        self.client.logout()
        thief = Client()
        thief.cookies[COOKIE] = copied
        assert thief.get("/", secure=True).content == b"1 AnonymousUser"

    @skipUnless(os.environ["ENGINE"] == "db", "the engine has rows")
    def test_the_row_has_the_hash_of_the_key_and_is_cleared(self) -> None:
        self.visit()
        (row,) = Session.objects.all()
        assert row.pk == hashed(self.client.cookies[COOKIE].value)
        Session.objects.update(expire_date="2000-01-01T00:00Z")
        call_command("clearsessions", verbosity=0)
        assert not Session.objects.exists()
