"""Runs all benchmarks, or the named ones: `python -m benchmarks P1 P8`. Ends with 0 whatever it measured."""

import asyncio
import os
import platform
import sqlite3
import sys
import time

from daemons.cli import importing

# As the deck itself imports: else each look for garbage goes through all modules.
with importing():
    from benchmarks import (
        batch_workers,
        browser,
        gallery,
        job_list,
        job_queue,
        records,
        sockets,
        startup,
        status_writes,
    )
    from benchmarks.engine import fsync_milliseconds
    from benchmarks.report import Benchmark

BENCHMARKS = [
    *status_writes.BENCHMARKS,
    *sockets.BENCHMARKS,
    *job_queue.BENCHMARKS,
    *job_list.BENCHMARKS,
    *gallery.BENCHMARKS,
    *batch_workers.BENCHMARKS,
    *records.BENCHMARKS,
    *startup.BENCHMARKS,
    *browser.BENCHMARKS,
]


def main(names: list[str]) -> None:
    """Print the figures of the named benchmarks, or of all."""
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores. "
        f"fsync of 4 KB {fsync_milliseconds()}. Medians [lowest-highest] of interleaved rounds.\n"
    )
    for benchmark in [known[name] for name in names] or BENCHMARKS:
        run(benchmark)


def run(benchmark: Benchmark) -> None:
    """Measure and print one benchmark; one that cannot run says why."""
    print(f"{benchmark.name}  {benchmark.title}", flush=True)
    began = time.perf_counter()
    try:
        for figure in asyncio.run(benchmark.measure()):
            print("\n".join(figure.lines()))
    except Exception as error:  # noqa: BLE001 - the other benchmarks can still be measured
        print(f"  not measured: {type(error).__name__}: {error}")
    print(f"  method: {benchmark.method}")
    print(f"  ({time.perf_counter() - began:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
