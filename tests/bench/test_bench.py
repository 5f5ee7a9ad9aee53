"""What the benchmarks' own arithmetic and command line do, without a stack."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from proof.bench import cgroups, goals, load, rounds, trips
from proof.bench.__main__ import QUICK, main, options, plan_of, surprises
from proof.bench.variants import LEVERS, VARIANTS, VariantStack
from proof.report import page
from proof.report.page import REPORTS
from proof.seed import mint
from stack import ROOT, StackError


def taken(cpu: float, foreign: float = 0.0) -> load.Sample:
    """Return a sample of that cost."""
    return load.Sample(100, 1.0, 1.0, 2.0, 3.0, {"app": cpu}, foreign)


def test_a_ratio_is_taken_within_each_round_first() -> None:
    table = {
        ("hardened", "read"): rounds.Series([taken(100), taken(400), taken(100)]),
        ("stock", "read"): rounds.Series([taken(200), taken(800), taken(900)]),
    }
    assert rounds.ratio(table, "read", "stock", "hardened") == 2
    assert table["stock", "read"].median("cpu_total") == 800


def test_a_noisy_view_is_measured_again_for_every_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = iter(
        [taken(1, foreign=0.5), taken(2, foreign=0.1), taken(3, foreign=0.2), taken(4, foreign=0.3)]
    )
    monkeypatch.setattr(rounds, "sample", lambda *arguments: next(samples))
    sites: dict[str, VariantStack] = dict.fromkeys(("stock", "hardened"))  # type: ignore[arg-type]
    found, repeated = rounds.quiet_samples(sites, ["stock", "hardened"], "read", 1)
    assert {name: one.cpu_total for name, one in found.items()} == {"stock": 3, "hardened": 4}
    assert repeated == 1


def test_a_quiet_view_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "sample", lambda *arguments: taken(1, foreign=0.1))
    assert rounds.quiet_samples({"stock": None}, ["stock"], "read", 1)[1] == 0  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "what", [{"refused": 1}, {"broken": 2}, {"requests": 0}], ids=["refused", "broken", "none"]
)
def test_a_run_with_a_failed_request_is_no_sample(what: dict[str, int]) -> None:
    good = dict.fromkeys(("requests", "microseconds", "p50", "p99", "longest"), 9)
    good |= {"refused": 0, "broken": 0}
    assert load.parse(f"Running 1s test\n{json.dumps(good)}\n").requests == 9
    with pytest.raises(StackError):
        load.parse(json.dumps(good | what))


def test_a_load_that_printed_nothing_is_no_sample() -> None:
    with pytest.raises(StackError, match="unable to connect"):
        load.parse("unable to connect to bench.test:8443")


@pytest.mark.parametrize("version", [1, 2])
def test_either_version_of_control_groups_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    monkeypatch.setattr(cgroups, "PROC", proc)
    monkeypatch.setattr(cgroups, "SYS", sys)
    (proc / "7").mkdir(parents=True)
    if version == 2:
        group = sys / "docker/abc"
        group.mkdir(parents=True)
        (sys / "cgroup.controllers").write_text("cpu memory\n")
        (proc / "7/cgroup").write_text("0::/docker/abc\n")
        (group / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
        (group / "memory.stat").write_text("anon 4096\nfile 9\n")
    else:
        (proc / "7/cgroup").write_text("5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
        for controller in ("cpuacct", "memory"):
            (sys / controller / "docker/abc").mkdir(parents=True)
        (sys / "cpuacct/docker/abc/cpuacct.usage").write_text("2500000000\n")
        (sys / "memory/docker/abc/memory.stat").write_text("cache 1\nrss 1\ntotal_rss 4096\n")
    assert cgroups.cpu_seconds(7) == 2.5
    assert cgroups.memory_bytes(7) == 4096


def test_a_process_that_is_not_here_is_said_to_be_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "PROC", tmp_path)
    with pytest.raises(StackError, match="is Docker on this machine"):
        cgroups.cpu_seconds(7)


@pytest.mark.parametrize(
    ("postgres", "redis", "differs"),
    [(1.02, 2.03, False), (2.0, 2.0, True), (1.0, 1.0, True), (0.5, 2.0, True)],
)
def test_other_round_trips_than_stated_are_noticed(
    postgres: float, redis: float, differs: bool
) -> None:
    assert trips.STATED["cached_db"]["write"] == (1, 2)
    views = {"write": {"postgres": postgres, "redis": redis, "statements": []}}
    result = {"engines": {"cached_db": {"trips": {"hardened": views}}}}
    assert bool(surprises(result)) is differs


def test_the_committed_numbers_make_a_page_that_needs_nothing_beside_it(tmp_path: Path) -> None:
    shutil.copy(REPORTS / "bench.json", tmp_path)
    assert main(["--render", "--output", str(tmp_path)]) == 0
    result, text = page.kept("bench", tmp_path), (tmp_path / "bench.html").read_text()
    assert [goal["what"] for goal in result["goals"]] == [goal.what for goal in goals.goals(result)]
    assert list(result["levers"]) == ["hardened", *LEVERS]
    assert all(f"<td>{name}</td>" in text for name in LEVERS)
    assert result["date"] in text
    assert (tmp_path / "bench.svg").exists()
    # Nothing that a browser would fetch: no script, image, style sheet or font from anywhere.
    assert not re.search(r"<(script|img|link|iframe)|@import|src=|url\((?!#)", text)


def test_a_page_of_numbers_that_are_not_there_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--render", "--output", str(tmp_path)]) == 1
    assert re.fullmatch(r"there is no \S+/bench.json; measure first.*\n", capsys.readouterr().err)


@pytest.mark.parametrize("name", [*VARIANTS, *LEVERS])
def test_what_stands_side_by_side_has_settings(name: str) -> None:
    package, module = (VARIANTS | LEVERS)[name].settings_module.split(".")
    assert (ROOT / "scripts/proof/bench/stack/app" / package / f"{module}.py").exists()


@pytest.mark.parametrize(
    ("engine", "levers"), [("cached_db", True), ("db", True), ("cache", False), ("all", True)]
)
def test_defaults_are_put_back_where_a_database_keeps_the_sessions(
    engine: str, levers: bool
) -> None:
    plan = plan_of(options(["--engine", engine]))
    assert bool(plan.levers) is levers
    assert not plan_of(options(["--engine", engine, "--against", "stock"])).levers


def test_equal_cookies_are_as_many_sessions_as_were_asked_for() -> None:
    assert mint(lambda *command: "s=1\ns=1\n", 2, "ada", {}) == ["s=1", "s=1"]
    with pytest.raises(StackError, match="3 sessions were to be minted, not 2"):
        mint(lambda *command: "s=1\ns=1\n", 3, "ada", {})


def test_interrupts_are_nobodys_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 20 30 4000 50 600 7000 8 0 0\n")
    monkeypatch.setattr(cgroups, "PROC", tmp_path)
    assert cgroups.machine().busy == (100 + 20 + 30 + 8) / cgroups.CLOCK_TICKS


def test_an_unknown_engine_is_refused_in_one_line() -> None:
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "proof.bench", "--engine", "memcached"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}/scripts:{ROOT}/scripts/lib"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'memcached'" in done.stderr.splitlines()[-1]
    assert "cached_db" in done.stderr.splitlines()[-1]


def test_one_engine_leaves_out_what_other_engines_need() -> None:
    plan = plan_of(options(["--quick", "--engine", "file"]))
    assert plan.engines == ("file",)
    assert plan.rows == 0
    assert plan.variants == QUICK.variants


def test_numbers_are_kept_with_six_digits_and_on_few_lines(tmp_path: Path) -> None:
    given = {"ratio": 2 / 3, "counts": list(range(60)), "cells": [{"name": "a" * 200}, {}]}
    page.keep("bench", given, tmp_path)
    assert page.kept("bench", tmp_path) == {**given, "ratio": 0.666667}
    assert (tmp_path / "bench.json").read_text().count("\n") == 10
