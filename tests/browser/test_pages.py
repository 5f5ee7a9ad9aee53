"""The pages in a real browser, on each engine: they work, fit, and are for everyone."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import SESSION_COOKIE
from playwright.sync_api import Browser, expect
from window import Visit

from stack import Stack

PAGES = {
    "Home": "/",
    "Values": "/values/",
    "Cart": "/cart/",
    "Expiry": "/expiry/",
    "Account": "/accounts/",
    "Inspector": "/inspector/",
    "By hand": "/by-hand/",
    "Two engines": "/two-engines/",
    "Settings": "/settings/",
    "Middleware": "/middleware/",
    "Your own engine": "/custom-engine/",
    "Choose": "/choose/",
    "Compare": "/compare/",
    "Session, cookie, token": "/tokens/",
    "Cookies and headers": "/cookies/",
    "Pitfalls": "/pitfalls/",
    "Myths": "/myths/",
}
FIRST_VISIT_BYTES = 60_000
WIDE, NARROW = 1280, 320


def test_every_page_is_reached_from_the_navigation(
    visit: Callable[..., Visit], user: tuple[str, str]
) -> None:
    window = visit()
    window.sign_in(*user)
    for title, path in PAGES.items():
        pages = window.page.get_by_role("navigation", name="Pages")
        pages.get_by_role("link", name=title, exact=True).click()
        expect(window.page).to_have_url(window.url + path)
        expect(window.page.locator("h1")).to_have_count(1)
        expect(window.page.locator("[aria-current=page]")).to_have_text(title)
        expect(window.page.get_by_text("What this request did to the session")).to_be_visible()


def fill_with_life(window: Visit) -> None:
    """Bring every page into the state that has the most on it."""
    page = window.open("/values/")
    page.locator("#set_key").fill("size")
    page.locator("#set_value").fill('{"width": [1, 2, {"deep": true}]}')
    page.locator("button[value=set]").click()
    window.open("/cart/").get_by_role("button", name="Add Cookie jar").click()
    page = window.open("/expiry/")
    page.get_by_label("some seconds after its last change", exact=True).check()
    page.locator("#id_seconds").fill("900")
    page.get_by_role("button", name="Set", exact=True).click()


# A scheme is colours and nothing else, so the other one is asked for what looks at them.
EVERYTHING = {"resultTypes": ["violations"]}
COLOURS = {**EVERYTHING, "runOnly": ["color-contrast", "link-in-text-block"]}
LOOKS = (("light", WIDE, EVERYTHING), ("dark", WIDE, COLOURS), ("light", NARROW, EVERYTHING))


def violations(window: Visit, where: str, options: dict[str, list[str]]) -> list[str]:
    """Return what axe finds on the page that is open, by all of its rules or by some."""
    results = Axe().run(window.page, options=options)
    return [
        f"{where}: {found['id']} at {found['nodes'][0]['target']}"
        for found in results.response["violations"]
    ]


def test_axe_finds_nothing_in_either_scheme_at_either_width(
    visit: Callable[..., Visit], user: tuple[str, str]
) -> None:
    window = visit(viewport={"width": WIDE, "height": 900})
    window.sign_in(*user)
    fill_with_life(window)
    found: list[str] = []
    for path in [*PAGES.values(), "/accounts/login/", "/accounts/password/"]:
        page = window.open(path)
        if path == "/values/":
            page.locator("#set_key").fill("a")
            page.locator("#set_value").fill("{'a': 1}")
            page.locator("button[value=set]").click()
            expect(page.locator("#set_value_error")).to_be_visible()
        if path in ("/two-engines/", "/custom-engine/", "/pitfalls/", "/myths/", "/choose/"):
            page.locator("main form button").click()
        if path == "/compare/":
            page.get_by_role("button", name="Measure now").click()
            expect(page.locator("svg[role=img]")).to_be_visible()
        for scheme, width, options in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            where = f"{path} {scheme} {width}"
            found += violations(window, where, options)
            across = page.evaluate("document.documentElement.scrollWidth")
            if across > width:
                found.append(f"{where}: {across} pixels wide")
    assert found == []


def test_a_first_visit_is_light(visit: Callable[..., Visit]) -> None:
    for path in PAGES.values():
        window = visit()
        sizes: list[float] = []
        devtools = window.context.new_cdp_session(window.page)
        devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", lambda e, s=sizes: s.append(e["encodedDataLength"]))
        window.open(path)
        window.page.wait_for_timeout(200)  # the icon comes after the load event
        assert len(sizes) >= 3  # the page, the style sheet, the script
        assert 1000 < sum(sizes) <= FIRST_VISIT_BYTES, path


@pytest.mark.lesson(6, 14)
def test_the_browser_keeps_the_cookie_as_the_server_asked(
    visit: Callable[..., Visit], site: Stack
) -> None:
    window = visit()
    window.open("/")
    cookies = {cookie["name"]: cookie for cookie in window.context.cookies()}
    assert set(cookies) <= {SESSION_COOKIE, "__Host-csrftoken"}
    session = cookies[SESSION_COOKIE]
    assert session["secure"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert (session["domain"], session["path"]) == ("localhost", "/")
    assert window.page.evaluate("document.cookie") == ""
    expect(window.open("/cookies/").locator("[data-document-cookie]")).to_have_text('""')
    page = window.open("/pitfalls/")
    expect(page.locator("[data-finds-cookie]")).to_have_text("false")
    page.get_by_role("button", name="Try it in this browser").click()
    tried = page.locator("[data-too-large] [role=status]")
    expect(tried).to_contain_text("Set with 4096 bytes: the browser has 4096.")
    expect(tried).to_contain_text("Set again with 4097: it still has 4096")


@pytest.mark.lesson(14)
@pytest.mark.parametrize("engine", ["cache"], indirect=True)
def test_plain_http_gets_no_cookie_under_a_real_name(browser: Browser, site: Stack) -> None:
    def found(name: str) -> str:
        url = f"https://{name}:{site.settings['HTTPS_PORT']}"
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.goto(f"{url}/")
        page.goto(f"{url}/cookies/")
        page.get_by_role("link", name="Ask over http").click()
        page.wait_for_url(f"{url}/cookies/?over-http=*")
        assert SESSION_COOKIE in page.locator("#in-your-browser ~ p").first.inner_text()
        said = page.get_by_role("status").inner_text()
        context.close()
        return said

    def serve(**settings: str) -> None:
        services = ("nginx", "app-cache")
        site.compose("up", "--detach", "--wait", "--no-deps", *services, settings=settings)

    # Browsers take localhost for secure, and the page says so.
    assert "because this site’s name is localhost" in found("localhost")
    try:
        serve(DOMAIN="www.example.org")
        assert found("www.example.org") == "Your browser asked over http, and sent no cookie."
    finally:
        serve()


def test_everything_works_without_a_script(visit: Callable[..., Visit]) -> None:
    window = visit(java_script_enabled=False)
    page = window.open("/values/")
    page.locator("#set_key").fill("size")
    page.locator("#set_value").fill("[1, 2]")
    page.locator("button[value=set]").click()
    expect(page.get_by_text("“size” is set.")).to_be_visible()
    window.open("/compare/").get_by_role("button", name="Measure now").click()
    expect(page.locator("svg")).to_contain_text(re.compile(r"\bdb, load: \d+ µs"))
    window.open("/inspector/")
    expect(page.locator("[data-shown=decoded]")).to_contain_text('"size"')


def test_a_command_is_copied(visit: Callable[..., Visit]) -> None:
    window = visit(permissions=["clipboard-read", "clipboard-write"])
    window.open("/")
    page = window.open("/inspector/")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("[data-command]").first.text_content()
    assert copied.startswith(("docker compose exec", "COOKIE="))


def test_the_keyboard_alone_is_enough(visit: Callable[..., Visit]) -> None:
    window = visit()
    page = window.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert focused == "3px"


def test_the_admin_keeps_to_the_policy(visit: Callable[..., Visit], staff: tuple[str, str]) -> None:
    window = visit()
    window.sign_in(*staff)
    for path in ("/admin/", "/admin/auth/user/", "/admin/lab/product/add/"):
        expect(window.open(path).locator("#site-name")).to_be_visible()
