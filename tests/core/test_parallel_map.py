"""Functions over many items in a pool: what waits when the pool breaks, how cores are shared, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from mia_functional._core import parallel_map, processes


class BreaksSoon(ThreadPoolExecutor):
    """A pool that takes two items, and is broken then."""

    def submit(self, function, item):
        if item == 2:
            raise BrokenExecutor
        return super().submit(function, item)


def test_an_item_that_a_broken_pool_does_not_take_is_pending():
    pending = {}
    with BreaksSoon(4) as pool, pytest.raises(BrokenExecutor):
        list(parallel_map._completed(partial(pool.submit, str), enumerate(range(5)), 4, pending))
    assert sorted(pending.values()) == [(0, 0), (1, 1), (2, 2)]


def cores_of_a_worker(_):
    return processes.own_cores()


@pytest.mark.parametrize(("workers", "items", "processes_begun"), [(1, 3, 1), (2, 3, 2), (64, 3, 3), (64, 1, 1)])
def test_processes_share_the_cores(workers, items, processes_begun):
    """A second thread in each of as many processes as there are cores would get in the way of all."""
    found = parallel_map.map_in_processes(
        cores_of_a_worker, [None] * items, workers=workers, lost=lambda _: None,
        preload="mia_functional._core.processes",
    )  # fmt: skip
    share = max(processes.available_cores() // processes_begun, 1)
    assert sorted(found) == [(position, share) for position in range(items)]
    assert processes.own_cores() == processes.available_cores()


def test_items_of_an_unknown_number_get_all_processes():
    found = parallel_map.map_in_processes(
        cores_of_a_worker, (None for _ in range(2)), workers=2, lost=lambda _: None,
        preload="mia_functional._core.processes",
    )  # fmt: skip
    assert sorted(found) == [(position, max(processes.available_cores() // 2, 1)) for position in range(2)]


SLEEPS = """
import sys, time
from mia_functional._core import parallel_map, processes
if "command" in sys.argv:
    processes.run_as_command()
def sleep(seconds):
    time.sleep(seconds)
if __name__ == "__main__":
    print("begun", flush=True)
    options = {"workers": 2, "lost": str, "preload": "mia_functional._core.processes"}
    try:
        for position, _ in parallel_map.map_in_processes(sleep, [0, 60, 60, 60], **options):
            print(position, flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no process groups")
@pytest.mark.parametrize("process", ["command", "script"])
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_what_is_worked_on_at_once(tmp_path, process, presses):
    """It was waited for, and for ever after a second one."""
    (tmp_path / "script.py").write_text(SLEEPS)
    command = [sys.executable, tmp_path / "script.py", process]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True)
    assert [running.stdout.readline() for _ in range(2)] == ["begun\n", "0\n"]
    for _ in range(presses):
        os.killpg(running.pid, signal.SIGINT)
        time.sleep(0.2)
    # The pipe ends when its workers have: none of them is left.
    output, _ = running.communicate(timeout=30)
    assert output == "interrupted\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="children are found as Linux has them")
def test_ctrl_c_while_processes_begin_is_not_lost(tmp_path):
    (tmp_path / "script.py").write_text(SLEEPS)
    for pause in (0.0, 0.001, 0.003, 0.01):
        command = [sys.executable, tmp_path / "script.py", "command"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        running = subprocess.Popen(command, **streams, start_new_session=True)
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        while not children.read_text():
            time.sleep(0.0005)
        time.sleep(pause)
        os.killpg(running.pid, signal.SIGINT)
        output, errors = running.communicate(timeout=30)
        assert output.splitlines()[-1] == "interrupted"
        assert errors == ""
