"""Signals end the process whatever its event loop does. Each test is a process of its own."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

PROLOGUE = """
    import asyncio, os, signal, sys, threading, time
    from daemons.cli.stopping import StopSignals
    from daemons.clock import SystemClock

    def ready():
        print("ready", flush=True)
"""

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        program = textwrap.dedent(PROLOGUE) + textwrap.dedent(code)
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_told_to_the_loop_and_the_process_ends_politely(start: Start, number: signal.Signals) -> None:
    process = start("""
        async def main(signals):
            requested = signals.requested()
            ready()
            await requested.wait()
            print("polite", flush=True)

        with StopSignals(SystemClock()) as signals:
            asyncio.run(main(signals))
    """)

    process.send_signal(number)

    output, _ = process.communicate(timeout=5)
    assert (output, process.returncode) == ("polite\n", 0)


def test_a_signal_before_the_loop_runs_is_not_lost(start: Start) -> None:
    process = start("""
        with StopSignals(SystemClock()) as signals:
            ready()
            sys.stdin.read(0)
            while not signals._is_requested:
                pass

            async def main():
                await signals.requested().wait()
                print("polite", flush=True)

            asyncio.run(main())
    """)

    process.send_signal(signal.SIGTERM)

    output, _ = process.communicate(timeout=5)
    assert (output, process.returncode) == ("polite\n", 0)


@pytest.mark.parametrize(
    "stubborn",
    [
        "time.sleep(60)",
        "\n".join(["while True:", "    pass"]),
        "threading.Thread(target=time.sleep, args=(60,)).start()",
    ],
)
def test_a_blocked_loop_or_a_thread_that_stays_does_not_hold_the_end(start: Start, stubborn: str) -> None:
    process = start(f"""
        async def main(signals):
            signals.requested()
            ready()
{textwrap.indent(stubborn, " " * 12)}
            await signals.requested().wait()

        with StopSignals(SystemClock(), seconds=0.3) as signals:
            asyncio.run(main(signals))
    """)

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=5)
    assert process.returncode == 0


def test_a_task_that_swallows_its_cancellation_does_not_hold_the_end(start: Start) -> None:
    process = start("""
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        async def main(signals):
            requested = signals.requested()
            task = asyncio.create_task(stubborn())
            ready()
            await requested.wait()

        with StopSignals(SystemClock(), seconds=0.3) as signals:
            asyncio.run(main(signals))
    """)

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=5)
    assert process.returncode == 0


def test_a_second_signal_is_now(start: Start) -> None:
    process = start("""
        async def main(signals):
            requested = signals.requested()
            ready()
            await requested.wait()
            print("first", flush=True)
            await asyncio.sleep(60)

        with StopSignals(SystemClock(), seconds=60) as signals:
            asyncio.run(main(signals))
    """)

    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGINT)

    process.communicate(timeout=5)
    assert process.returncode == 0


def test_hang_ups_stay_ignored_where_they_were_ignored(start: Start) -> None:
    process = start("""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with StopSignals(SystemClock()) as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            ready()
            assert not signals._is_requested
    """)

    process.communicate(timeout=5)
    assert process.returncode == 0


def test_without_a_signal_everything_is_put_back(start: Start) -> None:
    process = start("""
        before = signal.getsignal(signal.SIGTERM)
        threads = threading.active_count()
        with StopSignals(SystemClock()):
            pass
        assert signal.getsignal(signal.SIGTERM) is before
        assert threading.active_count() == threads
        ready()
    """)

    process.communicate(timeout=5)
    assert process.returncode == 0
