"""Measures the HTTP service, beside a FastAPI program that answers the same from a dictionary.

    python benches/serving.py target/release/docgenie-engine

About two minutes. Clients share the machine with what they ask.
"""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import watch

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "tests/python"))

from service import Service, completed, request, seeds  # noqa: E402

SECONDS = 10
BIG = 500 << 20
PEERS = [
    ("FastAPI, uvicorn by itself", ["--loop", "asyncio", "--http", "h11"]),
    ("FastAPI, uvicorn[standard]", ["--loop", "uvloop", "--http", "httptools"]),
]


def wrk(url, *options, script=None):
    """Requests a second and the 99th percentile of their times in milliseconds."""
    command = ["wrk", "--latency", f"-d{SECONDS}s", *options, url]
    if script:
        command[1:1] = ["-s", str(script)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"bench: {told}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", told).groups()
    return rate, float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def peer(job, options):
    """The same of a FastAPI program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "serving_peer:app", "--app-dir", str(HERE), "--port", str(port),
         "--log-level", "error", "--no-access-log", *options],
        env={**os.environ, "JOB": json.dumps(job)})
    try:
        url = f"http://127.0.0.1:{port}/jobs/{job['request_id']}/status"
        while subprocess.run(["curl", "-sf", "-o", "/dev/null", url]).returncode:
            time.sleep(0.2)
        return wrk(url, "-t2", "-c64")
    finally:
        process.terminate()
        process.wait()


def silent():
    """The address of a server that takes connections and says nothing: a run that fetches from it takes
    its time, and none of the processor's."""
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    held = []
    def hold():
        while True:
            held.append(server.accept())
    threading.Thread(target=hold, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/seed.png"


def main(engine):
    engine = os.path.abspath(engine)
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"bench: the load is {load:.1f} already, so the figures will be too low\n", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="docgenie-bench-") as home, seeds() as address:
        service = Service(engine, home)
        starts = [service.ready_after]
        for _ in range(4):
            service.stop()
            service.start()
            starts.append(service.ready_after)

        times = []
        for seed in range(40):
            began = time.monotonic()
            service.post("/generate", request(address, seed=seed))
            times.append(time.monotonic() - began)
        warm = statistics.median(times[5:])

        job = service.post("/generate/async", request(address))
        status = service.until(job["poll_url"], completed)
        ours, _ = wrk(f"http://{service.address}{job['poll_url']}", "-t2", "-c64")

        # In place of the result, so that a file of this size is what is sent.
        [result] = pathlib.Path(home).glob("results/*/documents.zip")
        with open(result, "wb") as file:
            file.truncate(BIG)
        before = watch.high_water(service.process.pid)
        subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://{service.address}/jobs/{job['request_id']}/download"],
                       check=True)
        grown = watch.high_water(service.process.pid) - before
        service.stop()

    with tempfile.TemporaryDirectory(prefix="docgenie-bench-") as home:
        service = Service(engine, home, env={"DOCGENIE_QUEUE": "10000000", "DOCGENIE_RUNS_PER_USER": "10000000"})
        script = pathlib.Path(home) / "submit.lua"
        submit = ("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[%s]]\n"
                  % json.dumps(request(silent())))
        accepted = []
        for pause in ("", "function delay() return 40 end\n"):
            script.write_text(submit + pause)
            accepted.append(wrk(f"http://{service.address}/generate/async", "-t1", "-c50", script=script))
        service.kill()

    print("the service\n")
    print(f"  ready after             {statistics.median(starts) * 1000:8.0f} ms")
    print(f"  /generate, a document   {warm * 1000:8.0f} ms, warm, the median")
    for (rate, slowest), pause in zip(accepted, ("without a pause", "with pauses of 40 ms")):
        print(f"  jobs accepted a second  {rate:8.0f}, 99 % within {slowest:.1f} ms, by 50 clients {pause}")
    print(f"  memory for a result     {grown / 2**20:8.1f} MiB more while {BIG >> 20} MiB are sent")
    print(f"\n{'status of a job':<38}{'a second':>10}{'ratio':>8}")
    print(f"{'docgenie-engine':<38}{ours:>10.0f}{1:>8.1f}")
    for title, options in PEERS:
        theirs, _ = peer(status, options)
        print(f"{title:<38}{theirs:>10.0f}{ours / theirs:>8.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
