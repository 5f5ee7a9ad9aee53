"""Take the pictures that stand in the README; `scripts/screenshots` calls it."""

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))  # where the next lines find stack

from window import ARGUMENTS, CHROMIUM  # noqa: E402

from stack import Stack  # noqa: E402

FOLDER = Path(__file__).parent / "screenshots"
ENGINE = "cached_db"
LARGEST_BYTES = 150_000


def take(page: Page, name: str, height: int) -> None:
    """Take one picture of the top of the page that is open."""
    page.set_viewport_size({"width": 1120, "height": height})
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size} bytes")  # noqa: T201 - for a terminal
    if size > LARGEST_BYTES:
        raise SystemExit(f"{path.name} is larger than {LARGEST_BYTES} bytes")


def visit(page: Page, url: str) -> None:
    """Do what makes the pictures worth looking at, and take them."""
    for _ in range(12):
        page.goto(f"{url}/")
    take(page, "home", 700)
    page.goto(f"{url}/inspector/")
    take(page, "inspector", 900)
    page.goto(f"{url}/compare/")
    take(page, "compare", 860)


def main() -> None:
    """Start a stack of its own, take the pictures in the light scheme, and remove it."""
    stack = Stack("screenshots")
    stack.create()
    try:
        stack.up(ENGINE)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            visit(browser.new_page(ignore_https_errors=True), stack.url)
            browser.close()
    finally:
        stack.destroy()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main()
