"""Runs a command and watches its tree of processes: time, CPU and memory, the first process apart."""

import dataclasses
import os
import pathlib
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PERIOD = 0.05
MEMORY_EVERY = 5


@dataclasses.dataclass
class Usage:
    """Seconds, and bytes of memory. ``own`` is the first process, ``tree`` all of them together."""

    wall: float
    own_cpu: float
    tree_cpu: float
    own_peak: int
    tree_peak: int
    output: list[tuple[float, str]]
    """Lines of standard output, each with the seconds after the start at which it came."""


def run(command: list[str], **options) -> Usage:
    """Runs the command to its end; raises when it fails."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(stamped(process.stdout, start)))
    reader.start()

    cpu, own_peak, tree_peak, rounds = {}, 0, 0, 0
    while process.poll() is None:
        tree = descendants(process.pid)
        cpu.update(tree)
        own_peak = max(own_peak, high_water(process.pid))
        if rounds % MEMORY_EVERY == 0:
            tree_peak = max(tree_peak, sum(proportional(pid) for pid in tree))
        rounds += 1
        time.sleep(PERIOD)
    wall = time.monotonic() - start
    reader.join()
    if process.returncode:
        raise SystemExit(f"bench: `{' '.join(command)}` ended with {process.returncode}")
    return Usage(wall, cpu[process.pid], sum(cpu.values()), own_peak, tree_peak, lines)


def stamped(stream, start: float):
    for line in stream:
        yield time.monotonic() - start, line.rstrip("\n")


def descendants(root: int) -> dict[int, float]:
    """CPU seconds so far of the process and everything beneath it."""
    children, cpu = {}, {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = pathlib.Path(entry.path, "stat").read_text()
        except OSError:  # It has ended meanwhile.
            continue
        # The name in parentheses may hold blanks; what follows it does not.
        fields = stat.rpartition(")")[2].split()
        pid, parent = int(entry.name), int(fields[1])
        children.setdefault(parent, []).append(pid)
        cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    tree, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in cpu:
            tree[pid] = cpu[pid]
        waiting += children.get(pid, [])
    return tree


def high_water(pid: int) -> int:
    return field(f"/proc/{pid}/status", "VmHWM:")


def proportional(pid: int) -> int:
    return field(f"/proc/{pid}/smaps_rollup", "Pss:")


def field(path: str, name: str) -> int:
    """A size in bytes; 0 where the process has ended."""
    try:
        text = pathlib.Path(path).read_text()
    except OSError:
        return 0
    sizes = (line.split()[1] for line in text.splitlines() if line.startswith(name))
    return int(next(sizes, 0)) * 1024
