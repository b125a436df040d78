"""Measures the engine, then our own Python program that does the same job, side by side.

    python benches/bench.py target/release/docgenie-engine [DOCUMENTS]

Figures are about this machine as it is now: leave it alone while this runs (5 to 8 minutes with the
default of 1,000 documents). CPU seconds and memory are of whole process trees, sampled from outside.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import watch

HERE = pathlib.Path(__file__).parent
SEED = "1"
# Enough documents for half a minute each.
PEERS = [
    ("chromium-each", "full Chromium launched per document", 30),
    ("shell-each", "headless shell launched per document", 60),
    ("shell-reused", "one headless shell, one page reused", 200),
]


def main(engine: str, documents: str = "1000") -> None:
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"bench: the load is {load:.1f} already, so the figures will be too low\n", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="docgenie-bench-") as folder:
        work = pathlib.Path(folder)
        ours = measure_engine(engine, int(documents), work)
        rows = [("docgenie-engine", int(documents), ours)]
        for manner, title, count in PEERS:
            command = [sys.executable, str(HERE / "peer.py"), manner, str(work / "out/html"), str(work / manner)]
            rows.append((title, count, watch.run([*command, str(count)])))
        print_comparison(rows)


def measure_engine(engine: str, documents: int, work: pathlib.Path) -> watch.Usage:
    pipeline = str(HERE / "throughput.toml")

    def run(home: str, *options: str) -> watch.Usage:
        command = [engine, "run", pipeline, "--seed", SEED, "--count", str(documents), "--format", "json", *options]
        environment = {**os.environ, "DOCGENIE_HOME": str(work / home)}
        return watch.run(command, env=environment, stderr=subprocess.DEVNULL)

    fresh = run("home", "--out", str(work / "out"))
    again = run("home", "--out", str(work / "out"))
    exported = run("home-of-exports", "--set", "exports=true", "--out", str(work / "exported"))

    own = fresh.own_cpu / documents * 1000
    browser = (fresh.tree_cpu - fresh.own_cpu) / documents * 1000
    print(f"{documents} invoices: written, printed, measured, drawn at 150 dpi and packed\n")
    print(f"  documents a second      {documents / fresh.wall:8.1f}")
    print(f"  CPU a document          {own:8.1f} ms of the engine, {browser:.1f} ms of Chromium")
    print(f"  memory of the engine    {fresh.own_peak / 2**20:8.0f} MiB at its peak")
    print(f"  first document after    {first_document(fresh):8.2f} s")
    print(f"  the same run once more  {again.wall:8.2f} s, all remembered")
    more_time, more_cpu = exported.wall / fresh.wall - 1, exported.tree_cpu / fresh.tree_cpu - 1
    print(f"  with three exporters    {more_time:8.1%} more time, {more_cpu:.1%} more CPU")
    print("\n  by stage, ms from start to end a document")
    for stage, spent in spent_by_stage(fresh):
        print(f"    {stage:<22}{spent / documents:8.1f}")
    print()
    return fresh


def events(usage: watch.Usage, kind: str):
    """(seconds after the start, event) for each event of this kind."""
    parsed = ((second, json.loads(line)) for second, line in usage.output)
    return ((second, event) for second, event in parsed if event.get("event") == kind)


def first_document(usage: watch.Usage) -> float:
    return next(second for second, event in events(usage, "document") if not event["failure"])


def spent_by_stage(usage: watch.Usage) -> list[tuple[str, float]]:
    """Milliseconds by document stage, in plan order."""
    _, started = next(events(usage, "started"))
    spent = dict.fromkeys(started["stages"], 0.0)
    for _, event in events(usage, "stage"):
        spent[event["stage"]] += event["ms"]
    return list(spent.items())


def print_comparison(rows: list[tuple[str, int, watch.Usage]]) -> None:
    _, documents, ours = rows[0]
    print(f"{'':<38}{'docs/s':>8}{'ratio':>8}{'CPU ms/doc':>12}{'ratio':>8}{'peak MiB':>10}")
    for title, count, usage in rows:
        rate, cpu = count / usage.wall, usage.tree_cpu / count
        faster, cheaper = documents / ours.wall / rate, cpu / (ours.tree_cpu / documents)
        memory = usage.tree_peak / 2**20
        print(f"{title:<38}{rate:>8.2f}{faster:>8.1f}{cpu * 1000:>12.0f}{cheaper:>8.1f}{memory:>10.0f}")
    print("\nratio: how many times faster, and how many times less CPU, the engine is. Memory: whole process tree.")


if __name__ == "__main__":
    main(*sys.argv[1:])
