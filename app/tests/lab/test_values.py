"""The values page: what it changes, and what it refuses."""

from collections.abc import Callable
from secrets import token_urlsafe

import pytest
from django.test import Client

from lab.mistake import CODE, attempts, forgotten, marked
from lab.values import DEPTH, KEY_CHARACTERS, KEYS, VALUE_CHARACTERS
from tests.lab.visiting import STOCK, contents, key_of, stored, text_of

pytestmark = pytest.mark.django_db


def post(visitor: Client, action: str, **fields: str) -> str:
    answer = visitor.post("/values/", {"action": action, **fields})
    assert answer.status_code == 200
    return text_of(answer)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ('"text"', "text"),
        ("null", None),
        ("1.5", 1.5),
        ('{"a": [1, {"b": [true, "ä"]}]}', {"a": [1, {"b": [True, "ä"]}]}),
        ("[" * DEPTH + "]" * DEPTH, None),
        ('"\\u0000"', "\0"),
    ],
)
def test_json_of_every_kind_is_kept(engine: str, visitor: Client, text: str, value: object) -> None:
    page = post(visitor, "set", key="mine", value=text)
    assert "“mine” is set." in page
    assert 'data-saved="yes"' in page
    if not text.startswith("[["):
        assert contents(visitor)["mine"] == value
    assert "mine" in contents(visitor)


@pytest.mark.lesson(34)
def test_a_value_is_read_and_deleted(engine: str, visitor: Client) -> None:
    post(visitor, "set", key="size", value='{"width": 3}')
    page = post(visitor, "read", key="size")
    assert '"width": 3' in page.split('id="read"')[1].split('id="delete"')[0]
    assert 'data-saved="no"' in page
    assert 'data-accessed="yes"' in page
    page = post(visitor, "delete", key="size")
    assert "“size” is deleted." in page
    assert 'data-modified="yes"' in page
    assert "size" not in contents(visitor)


@pytest.mark.lesson(34)
def test_flush_ends_the_session(engine: str, visitor: Client) -> None:
    post(visitor, "set", key="mine", value="1")
    before = key_of(visitor)
    post(visitor, "flush")
    assert key_of(visitor) == ""
    visitor.cookies["__Host-sessionid"] = before
    known = "mine" in text_of(visitor.get("/values/"))
    assert known is (engine == "signed_cookies" and STOCK)  # which nobody can take back there


WRONG = {
    "bad JSON": ("mine", "{'a': 1}", "This is no JSON"),
    "no JSON at all": ("mine", "hello", "This is no JSON"),
    "NaN": ("mine", "NaN", "it has no NaN"),
    "infinity": ("mine", "[1e999]", "too large"),
    "too many digits": ("mine", "1" * 5000, "at most"),
    "half a character": ("mine", '"\\ud800"', "half of a character"),
    "too deep": ("mine", "[" * (DEPTH + 1) + "]" * (DEPTH + 1), f"deeper than {DEPTH}"),
    "far too deep": ("mine", "[" * 999 + "]" * 999, f"deeper than {DEPTH}"),
    "value too large": ("mine", f'"{"x" * VALUE_CHARACTERS}"', f"at most {VALUE_CHARACTERS}"),
    "key too long": ("k" * (KEY_CHARACTERS + 1), "1", f"at most {KEY_CHARACTERS}"),
    "no key": ("", "1", "required"),
    "no value": ("mine", "", "required"),
    "Django's own key": ("_auth_user_id", '"1"', "belong to Django"),
    "another page's key": ("cart", "5", "belongs to another page"),
    "a NUL in the key": ("mi\0ne", "1", "Null characters"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_saved(
    engine: str, visitor: Client, case: str
) -> None:
    key, value, message = WRONG[case]
    post(visitor, "set", key="kept", value="1")
    before = stored(), contents(visitor)
    page = post(visitor, "set", key=key, value=value)
    field = "key" if key != "mine" else "value"
    beside = page.split(f'id="set_{field}_error"')[1].split("</ul>")[0]
    assert message in beside
    assert f'id="set_{field}"' in page
    assert 'aria-invalid="true"' in page
    assert value in page
    assert 'data-saved="no"' in page
    assert (stored(), contents(visitor)) == before


@pytest.mark.parametrize("action", ["read", "delete"])
def test_a_key_that_is_not_there_is_said_beside_the_field(
    engine: str, visitor: Client, action: str
) -> None:
    page = post(visitor, action, key="nothing")
    assert "There is no “nothing”" in page.split(f'id="{action}_key_error"')[1].split("</ul>")[0]
    assert 'value="nothing"' in page
    assert not key_of(visitor)


def test_djangos_keys_can_be_read_and_not_deleted(visitor: Client, ada: object) -> None:
    visitor.force_login(ada)  # type: ignore[arg-type]
    assert "_auth_user_id" in post(visitor, "read", key="_auth_user_id")
    assert "belong to Django" in post(visitor, "delete", key="_auth_user_id")
    assert "_auth_user_id" in contents(visitor)


def test_a_session_takes_so_many_keys(visitor: Client) -> None:
    for number in range(KEYS):
        post(visitor, "set", key=f"key-{number}", value="1")
    assert f"may have {KEYS} keys" in post(visitor, "set", key="one-more", value="1")
    assert "is set" in post(visitor, "set", key="key-0", value="2")
    assert len(contents(visitor)) == KEYS


def test_a_session_takes_so_many_keys_of_so_many_characters_but_not_what_escapes_make_of_them(
    use: Callable[[str], None], visitor: Client
) -> None:
    use("cache")
    for number in range(KEYS):
        key = f"{number:0{KEY_CHARACTERS}}"
        assert "is set" in post(visitor, "set", key=key, value=f'"{"x" * (VALUE_CHARACTERS - 2)}"')
    page = post(visitor, "set", key=key, value=f'"{"😀" * (VALUE_CHARACTERS - 2)}"')
    assert "up to 45,056 are allowed" in page.split('id="set_value_error"')[1].split("</ul>")[0]
    assert contents(visitor)[key][0] == "x"


def test_what_does_not_fit_into_a_cookie_is_refused(engine: str, visitor: Client) -> None:
    said = [post(visitor, "set", key=f"k{n}", value=f'"{token_urlsafe(1200)}"') for n in range(3)]
    refused = ["This would make the cookie" in page for page in said]
    assert any(refused) is (engine == "signed_cookies")
    assert len(key_of(visitor)) + len("__Host-sessionid") <= 4096


def test_an_action_that_does_not_exist_is_a_bad_request(visitor: Client) -> None:
    assert visitor.post("/values/", {"action": "fly"}).status_code == 400
    assert visitor.post("/values/").status_code == 400


def test_the_classic_mistake_loses_the_change_and_the_repair_keeps_it(
    engine: str, visitor: Client
) -> None:
    before = stored()
    lost, kept = attempts()
    assert (lost.modified, lost.after) == (False, {"apples": 1})
    assert (kept.modified, kept.after) == (True, {"apples": 2})
    page = post(visitor, "mistake")
    assert page.index('data-kept="no"') < page.index('data-kept="yes"')
    assert stored() == before


def test_the_code_shown_is_the_code_that_runs() -> None:
    assert CODE[marked] == f"{CODE[forgotten]}\nrequest.session.modified = True"
    assert len(CODE[marked].splitlines()) == 3
