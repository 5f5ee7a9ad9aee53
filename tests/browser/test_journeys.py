"""What visitors do: fill a cart and sign in, change a password elsewhere, watch a session end."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from window import Visit

from stack import Stack


def fingerprint(page: Page) -> str:
    """Return the fingerprint that the account page shows."""
    return page.locator("[data-fingerprint]").get_attribute("data-fingerprint") or ""


def test_a_cart_survives_signing_in_and_the_key_changes(
    visit: Callable[..., Visit], user: tuple[str, str]
) -> None:
    window = visit()
    page = window.open("/cart/")
    page.get_by_label("Quantity of Ginger biscuits").fill("3")
    page.get_by_role("button", name="Add Ginger biscuits").click()
    expect(page.locator("[data-total]")).to_have_text("13.50")
    anonymous = fingerprint(window.open("/accounts/login/"))
    assert re.fullmatch(r"[0-9a-f]{12}", anonymous)
    window.sign_in(*user)
    step = page.locator("[data-step='signed in']")
    expect(step).to_contain_text(anonymous)
    signed_in = fingerprint(page)
    assert signed_in != anonymous
    expect(step).to_contain_text(signed_in)
    window.open("/cart/")
    expect(page.locator("[data-total]")).to_have_text("13.50")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    window.open("/cart/")
    expect(page.get_by_text("Nothing yet.")).to_be_visible()


def test_a_new_password_ends_the_session_in_another_browser(
    visit: Callable[..., Visit], user: tuple[str, str]
) -> None:
    name, password = user
    here, there = visit(), visit()
    here.sign_in(name, password)
    there.sign_in(name, password)
    expect(there.page.locator("h1")).to_have_text(name)
    before = fingerprint(here.open("/accounts/"))
    here.page.get_by_role("link", name="Change the password").click()
    here.page.get_by_label("Old password").fill(password)
    here.page.get_by_label("New password", exact=False).first.fill("a long and new password")
    here.page.get_by_label("confirmation").fill("a long and new password")
    here.page.get_by_role("button", name="Change the password").click()
    expect(here.page.locator("[data-step='changed the password']")).to_contain_text(before)
    assert fingerprint(here.page) != before
    there.open("/accounts/")
    expect(there.page.locator("h1")).to_have_text("Sign in")
    expect(here.open("/accounts/").locator("h1")).to_have_text(name)


def test_the_end_of_a_session_is_seen_and_not_told(
    visit: Callable[..., Visit], engine: str, layer: str
) -> None:
    window = visit()
    page = window.open("/expiry/")
    page.get_by_label("some seconds after its last change", exact=True).check()
    page.locator("#id_seconds").fill("2")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("link", name="Ask the server").click()
    expect(page.locator("[data-witness=accepted]")).to_be_visible()
    expect(page.locator("[data-witness] [data-countdown]")).to_have_text("over", timeout=5000)
    page.wait_for_timeout(1600)
    page.get_by_role("link", name="Ask again").click()
    names = [cookie["name"] for cookie in window.context.cookies()]
    assert "__Host-sessionid" not in names
    # Django's own file and signed_cookies engines don't keep to an expiry in seconds.
    forgetful = layer == "stock" and engine in ("file", "signed_cookies")
    says = "accepted" if forgetful else "refused"
    expect(page.locator(f"[data-witness={says}]")).to_be_visible()


def test_staff_ends_a_session_in_the_admin(
    visit: Callable[..., Visit], staff: tuple[str, str], engine: str, site: Stack
) -> None:
    window, other = visit(), visit()
    window.sign_in(*staff)
    page = window.open("/admin/")
    if engine not in ("db", "cached_db"):
        expect(page.get_by_role("link", name="Sessions", exact=True)).to_have_count(0)
        return
    other.open("/")
    visits = other.open("/").locator("[data-visits]")
    expect(visits).to_have_text("2")
    name = other.page.locator("dt:has-text('Fingerprint') + dd").text_content()
    page = window.open("/admin/sessions/session/")
    page.locator("tr", has_text=name or "?").get_by_role("button", name="End").click()
    expect(page.locator(".messagelist")).to_contain_text("has ended")
    expect(other.open("/").locator("[data-visits]")).to_have_text("1")


@pytest.mark.parametrize("engine", ["cache"], indirect=True)
@pytest.mark.parametrize("named", [False, True])
def test_a_form_that_leads_to_another_site_needs_it_in_the_pages_policy(
    browser: Browser, site: Stack, named: bool
) -> None:
    elsewhere = "https://elsewhere.example/there"

    def page_with_policy(route: Route) -> None:
        answer = route.fetch()
        policy = answer.headers["content-security-policy"]
        if named:
            policy = policy.replace("form-action 'self'", f"form-action 'self' {elsewhere}")
        headers = {**answer.headers, "content-security-policy": policy}
        route.fulfill(response=answer, headers=headers)

    context = browser.new_context(ignore_https_errors=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.route(f"{site.url}/cart/", page_with_policy)
    page.goto(f"{site.url}/cart/")
    page.unroute_all()
    page.route(
        "**/cart/**", lambda route: route.fulfill(status=302, headers={"Location": elsewhere})
    )
    with page.expect_event("console" if not named else "requestfailed"):
        page.get_by_role("button", name=re.compile("^Add ")).first.click()
    assert (elsewhere in asked) is named
    assert any("form-action" in text for text in said) is not named
    context.close()
