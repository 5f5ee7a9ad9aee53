"""The drills' command line, their report, and what their clients take an answer for."""

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from proof import documents
from proof.drill import cells, clients, outages, report
from proof.drill.__main__ import cells_of, main, options
from proof.drill.cells import Cell, interrupted, one_line, time_left
from proof.drill.clients import SESSION_COOKIE, USER, Browser
from proof.drill.faults import FAULTS, OUTAGES, QUICK
from proof.drill.judge import judge
from proof.drill.ledger import FOREIGN, RESET, SERVED, SIGNED_OUT, TIMEOUT, Answer, Ledger
from proof.drill.stage import made
from proof.report import page
from stack import ENGINES, ROOT, CommandError, StackError, run

# --- The command line -----------------------------------------------------------------------------


def drill(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command without a stack."""
    return subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "proof.drill", *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}/scripts:{ROOT}/scripts/lib"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "value", "choice"),
    [
        ("--engine", "memcached", "cached_db"),
        ("--fault", "earthquake", "redis-kill"),
        ("--layer", "soft", "hardened"),
        ("--clients", "0", "1 to 200"),
    ],
)
def test_what_is_unknown_is_refused_in_one_line(option: str, value: str, choice: str) -> None:
    done = drill(option, value)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert repr(value) in line
    assert choice in line


def test_a_fault_that_touches_nothing_is_refused() -> None:
    done = drill("--engine", "file", "--fault", "redis-kill")
    assert done.returncode == 1
    assert done.stderr == (
        "drill: redis-kill touches nothing of file; choose another --engine or --fault, or all\n"
    )


def test_without_options_every_engine_meets_every_fault_on_both_layers() -> None:
    cells = cells_of(options([]))
    assert {cell.engine for cell in cells} == set(ENGINES)
    assert {cell.fault for cell in cells} == set(FAULTS)
    hardened = [cell for cell in cells if cell.layer == "hardened"]
    assert [Cell("stock", cell.engine, cell.fault) for cell in hardened] == cells[len(hardened) :]


def test_the_quick_set_has_every_outage_on_every_engine_and_faults_that_are_no_longer() -> None:
    pairs = {(cell.engine, cell.fault) for cell in cells_of(options(["--quick"]))}
    table = outages.recorded()["hardened"]
    assert list(table) == list(OUTAGES)
    wanted = {(engine, OUTAGES[name]) for name, by_engine in table.items() for engine in by_engine}
    assert wanted < pairs


def test_more_than_one_fault_may_be_named() -> None:
    given = options(["--fault", "app-kill", "--fault", "nginx-kill", "--layer", "hardened"])
    assert {cell.fault for cell in cells_of(given)} == {"app-kill", "nginx-kill"}


def test_an_outage_that_is_not_as_recorded_is_told_and_can_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(outages.RECORDED, tmp_path)
    monkeypatch.setattr(outages, "RECORDED", tmp_path / "outages.json")
    met = outages.recorded()["hardened"]["Redis hanging"]["cache"]
    cell = {"layer": "hardened", "engine": "cache", "fault": "redis-stop", "outage": met}
    elsewhere = {**cell, "fault": "redis-slow"}, {**cell, "layer": "stock"}
    others = [*elsewhere, {**cell, "outage": {}}]  # the last was not drilled
    assert outages.differences([cell, *others]) == []
    cell["outage"] = {**met, "signed in": "hangs"}
    (line,) = outages.differences([cell, *others])
    assert line.startswith(
        "cache, hardened, Redis hanging: hangs / 503, kept, refused; recorded is "
    )
    outages.record([cell])
    assert outages.differences([cell]) == []
    assert (tmp_path / "outages.json").read_text().count("hangs") == 1 + met_in_stock("hangs")


def met_in_stock(word: str) -> int:
    """Return how often a word stands in Django's own engines' part of the table."""
    return json.dumps(outages.recorded()["stock"]).count(f'"{word}"')


def test_the_quick_set_is_of_the_hardened_layer() -> None:
    cells = cells_of(options(["--quick"]))
    assert {(cell.engine, cell.fault) for cell in cells} == set(QUICK)
    assert {cell.layer for cell in cells} == {"hardened"}


def test_each_engine_is_started_once_a_layer() -> None:
    pairs = [(cell.layer, cell.engine) for cell in cells_of(options([]))]
    changes = [pair for place, pair in enumerate(pairs) if place == 0 or pairs[place - 1] != pair]
    assert len(changes) == len(set(changes))


def test_a_second_drill_of_one_clone_is_refused(tmp_path: Path) -> None:
    class Nowhere:
        folder = tmp_path / "stack"

        def create(self) -> None:
            pass

    with (
        made(Nowhere()),  # type: ignore[arg-type]
        pytest.raises(StackError, match="another drill of this clone is at work"),
        made(Nowhere()),  # type: ignore[arg-type]
    ):
        pass


def test_a_failed_command_is_told_in_one_line() -> None:
    done = subprocess.CompletedProcess([], 1, "", "Pulling\n\nport is already allocated\n")
    line = one_line(CommandError(["docker", "compose", "--ansi=never", "up"], done))
    assert line == "docker compose up ended with 1: port is already allocated"


def test_an_error_while_cleaning_up_does_not_hide_an_interruption() -> None:
    error = StackError("nobody is there")
    assert not interrupted(error)
    error.__context__ = CommandError([], subprocess.CompletedProcess([], 1, "", ""))
    assert not interrupted(error)
    error.__context__.__context__ = KeyboardInterrupt()
    assert interrupted(error)


def test_the_time_left_follows_the_time_it_took() -> None:
    fault = next(iter(FAULTS))
    cells = [Cell("hardened", engine, fault) for engine in ("db", "file")]
    (first,) = re.findall(r"about (\d+) min", time_left(cells, 1, passed=600))
    assert time_left(cells, 1, passed=600).startswith("1 to go")
    assert first == "10"


@pytest.mark.parametrize(
    ("layer", "in_doubt", "times"),
    [("hardened", True, 2), ("hardened", False, 1), ("stock", True, 1)],
)
def test_a_miss_of_a_busy_machine_is_drilled_once_more(
    monkeypatch: pytest.MonkeyPatch, layer: str, in_doubt: bool, times: int
) -> None:
    attempts: list[dict[str, object]] = [{"in_doubt": in_doubt, "misses": [str(n)]} for n in "12"]
    monkeypatch.setattr(cells, "attempt", lambda *arguments: attempts.pop(0))
    found = cells.drill(None, Cell(layer, "db", "app-kill"), 1, 5.0)  # type: ignore[arg-type]
    assert found["repeated"] is (times == 2)
    assert found["misses"] == [str(times)]


# --- The clients ----------------------------------------------------------------------------------


def asked(
    respond: httpx.Response | Exception, kind: str = "read", ahead: float = 0.0
) -> tuple[Answer, Browser]:
    """Return what a client makes of a response, and the client."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(respond, Exception):
            raise respond
        return respond

    async def ask() -> tuple[Answer, Browser]:
        clock = lambda: time.time() + ahead  # noqa: E731
        browser = Browser("https://drill.test", ssl.create_default_context(), clock, 3, "key")
        browser.http = httpx.AsyncClient(
            base_url="https://drill.test", transport=httpx.MockTransport(handle)
        )
        async with browser.http:
            return await browser.ask(kind), browser

    return asyncio.run(ask())


def own(**held: object) -> httpx.Response:
    """Return an answer that shows the client's own session, but for what is said."""
    return httpx.Response(200, json={"user": USER, "client": 3, "count": 7, **held})


def test_an_answer_with_the_own_session_is_served() -> None:
    answer, browser = asked(own())
    assert (answer.outcome, answer.count, browser.cookie) == (SERVED, 7, "key")


@pytest.mark.parametrize(
    "response",
    [
        own(user="", client=None, count=None),
        httpx.Response(
            200, json=own().json(), headers={"Set-Cookie": f"{SESSION_COOKIE}=; Max-Age=0"}
        ),
        httpx.Response(500, headers={"Set-Cookie": f'{SESSION_COOKIE}=""; Max-Age=0'}),
    ],
    ids=["nobody", "deleted", "deleted by an error"],
)
def test_an_answer_for_nobody_is_a_sign_out(response: httpx.Response) -> None:
    assert asked(response)[0].outcome == SIGNED_OUT


@pytest.mark.parametrize("response", [own(user="somebody"), own(client=4), own(user="", client=4)])
def test_an_answer_for_another_client_is_somebody_elses(response: httpx.Response) -> None:
    assert asked(response)[0].outcome == FOREIGN


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (httpx.Response(500), "500"),
        (httpx.Response(200, text="<p>hello"), "200"),
        (httpx.ConnectError("refused"), RESET),
        (httpx.RemoteProtocolError("closed"), RESET),
        (httpx.ReadTimeout("slow"), TIMEOUT),
    ],
)
def test_everything_else_is_a_failure_by_name(
    response: httpx.Response | Exception, outcome: str
) -> None:
    assert asked(response)[0].outcome == outcome


def test_retry_after_is_noticed() -> None:
    assert asked(httpx.Response(503, headers={"Retry-After": "2"}))[0].retry_after
    assert not asked(httpx.Response(503))[0].retry_after


def test_only_a_redirect_acknowledges_a_sign_out() -> None:
    assert asked(httpx.Response(302), "sign-out")[0].outcome == SERVED
    assert asked(httpx.Response(200), "sign-out")[0].outcome == "200"
    assert asked(httpx.Response(503), "sign-out")[0].outcome == "503"


def test_a_new_cookie_takes_the_place_of_the_old() -> None:
    _, browser = asked(
        httpx.Response(
            200, json=own().json(), headers={"Set-Cookie": f"{SESSION_COOKIE}=a:b; Max-Age=60"}
        )
    )
    assert browser.cookie == "a:b"


def test_an_age_counts_by_the_browsers_own_clock_and_a_date_does_not() -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    for attributes, outcome in (
        (f"Max-Age=60; Expires={date}", SERVED),
        (f"Expires={date}", SIGNED_OUT),
    ):
        response = httpx.Response(
            200, json=own().json(), headers={"Set-Cookie": f"{SESSION_COOKIE}=new; {attributes}"}
        )
        assert asked(response, ahead=3600)[0].outcome == outcome


def test_a_session_that_comes_back_after_its_sign_out_is_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: dict[str, float] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        client = request.headers["Cookie"].partition(f"{SESSION_COOKIE}=")[2]
        gone = {"Set-Cookie": f"{SESSION_COOKIE}=; Max-Age=0"}
        if request.url.path == "/accounts/logout/":
            ended[client] = time.monotonic()
            return httpx.Response(302, headers=gone)
        if not client or 0 < time.monotonic() - ended.get(client, 0.0) < 0.5:
            return httpx.Response(200, json=own(user="").json(), headers=gone)
        return httpx.Response(200, json=own(client=int(client)).json())

    class Client(httpx.AsyncClient):
        def __init__(self, **options: object) -> None:
            super().__init__(base_url="https://drill.test", transport=httpx.MockTransport(handle))

    monkeypatch.setattr(clients.httpx, "AsyncClient", Client)
    monkeypatch.setattr(clients, "LOOK_SECONDS", 0.05)
    crowd = clients.Crowd(
        "https://drill.test", ssl.create_default_context(), time.time, ["0", "1", "2"], 2
    )
    crowd.start()
    crowd.sign_out(1)
    time.sleep(1)
    signed_out, not_asked = crowd.stop().sign_outs
    assert signed_out.acknowledged
    assert not_asked.acknowledged is None
    later = [opening - signed_out.acknowledged for opening in signed_out.openings]
    assert not [seconds for seconds in later if 0.05 < seconds < 0.45]
    assert len([seconds for seconds in later if seconds > 0.5]) > clients.LAST_LOOKS
    assert {answer.outcome for answer in crowd.ledger.answers} == {SERVED}


# --- The report -----------------------------------------------------------------------------------


def result_of(outcome: str, layer: str = "hardened") -> dict[str, Any]:
    """Return the result of one cell in which one request was answered so."""
    cell = Cell(layer, "cached_db", "redis-kill")
    answers = [Answer(0, "read", 100 + n / 10, 100.01 + n / 10, SERVED) for n in range(80)]
    answers.append(Answer(0, "read", 103, 103.1, outcome))
    ledger = Ledger(answers, [], 100.0, 102.0, 105.0, 108.0)
    verdict = judge(ledger, cell.terms())
    found = {
        **{"layer": layer, "engine": "cached_db", "fault": "redis-kill", "loses": ""},
        "at": "2026-01-01T00:00:00+00:00",
        **{"injected": 2.0, "lifted": 5.0, "repeated": False},
        **{name: getattr(verdict, name) for name in verdict.__slots__},
    }
    return {"clients": 1, "planned": 2, "cells": [found]}


def test_a_report_says_what_was_missed_and_needs_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "machine", lambda: {"processors": 2})
    report.keep(result_of("500"), tmp_path)
    assert main(["--render", "--output", str(tmp_path)]) == 0
    text = (tmp_path / "drill.html").read_text()
    assert "1 requests answered by 500" in text
    assert "1 of 2 cells: it was ended early" in text
    assert json.loads((tmp_path / "drill.json").read_text())["cells"][0]["failed"] == {"500": 1}
    # Nothing that a browser would fetch: no script, image, style sheet or font from anywhere.
    assert not re.search(r"<(script|img|link|iframe)|@import|src=|url\((?!#)", text)


def test_a_report_keeps_what_is_not_drilled_again(tmp_path: Path) -> None:
    stock, hardened = result_of("500", layer="stock"), result_of("500")
    now = [Cell("hardened", "cached_db", "redis-kill")]
    first = report.beside_kept(hardened, tmp_path, now)
    assert first["cells"] == hardened["cells"]
    page.keep("drill", {**first, "cells": [*first["cells"], *stock["cells"]]}, tmp_path)
    again = report.beside_kept(result_of(SERVED), tmp_path, now)
    assert again["cells"] == [*result_of(SERVED)["cells"], *page.rounded(stock["cells"])]
    assert again["planned"] == 2


def test_the_readme_says_in_one_word_what_became_of_a_cell() -> None:
    result = result_of("500", layer="stock")
    result["cells"] += result_of(SERVED)["cells"]
    *_, row = report.in_markdown(result)
    assert row == "| redis-kill |  | ok / missed |  |  |  |"
    result["cells"][0]["lost"] = 3
    *_, row = report.in_markdown(result)
    assert row == "| redis-kill |  | ok / 3 lost |  |  |  |"


def test_only_the_hardened_layer_can_miss() -> None:
    assert report.missed(result_of("500")) == ["cached_db, redis-kill: 1 requests answered by 500"]
    assert report.missed(result_of("500", layer="stock")) == []
    assert report.missed(result_of(SERVED)) == []


def test_503_is_for_engines_that_cannot_do_without_the_store() -> None:
    assert not Cell("hardened", "cached_db", "redis-kill").terms().unavailable
    assert Cell("hardened", "cache", "redis-kill").terms().unavailable
    assert Cell("hardened", "file", "postgres-kill").terms().unavailable
    assert Cell("hardened", "file", "app-kill").terms().unavailable
    for nobody in ("app-roll", "nginx-reload", "client-clock", "clearsessions"):
        assert not Cell("hardened", "db", nobody).terms().unavailable


def test_a_save_may_find_its_session_gone_only_where_sessions_may_be_gone() -> None:
    assert "400" in Cell("hardened", "cache", "redis-flush").terms().answers
    assert "400" not in Cell("hardened", "cached_db", "redis-flush").terms().answers


def test_the_committed_cells_make_a_page(tmp_path: Path) -> None:
    result = page.kept("drill", page.REPORTS)
    assert len(result["cells"]) == result["planned"]
    cells = [cell for cell in result["cells"] if cell["fault"] == report.SHOWN[0]]
    page.keep("drill", {**result, "cells": cells}, tmp_path)  # to draw all takes half a minute
    text = report.render(tmp_path).read_text()
    assert result["date"] in text
    assert all(text.count(f"<td>{cell['engine']},<br>{cell['layer']}</td>") for cell in cells)
    assert (tmp_path / "drill.svg").exists()


# --- The documents --------------------------------------------------------------------------------


def test_the_documents_show_every_table_as_it_is() -> None:
    tables, texts = documents.tables(), [path.read_text() for path in documents.documents()]
    shown = [found["name"] for text in texts for found in documents.BLOCK.finditer(text)]
    assert sorted(shown) == sorted(tables)
    assert [documents.filled(text, tables) for text in texts] == texts
    measured = page.kept("bench", page.REPORTS)["engines"]
    assert documents.COSTS.read_text() == documents.costs(measured)


def test_a_table_is_written_between_its_marks_alone() -> None:
    text = "a\n<!-- begin one: by hand -->\nold\n<!-- end one -->\nb\n"
    assert documents.filled(text, {"one": "new"}) == text.replace("old", "new")
    empty = text.replace("old\n", "")
    assert documents.filled(empty, {"one": "new"}) == text.replace("old", "new")


def test_reports_in_git_are_small() -> None:
    tracked = run("git", "ls-files", "scripts/proof/report").stdout.split()
    reports = [ROOT / name for name in tracked if name.endswith((".json", ".svg", ".html"))]
    assert {path.suffix for path in reports} == {".json", ".svg"}
    assert sum(path.stat().st_size for path in reports) < 400_000
