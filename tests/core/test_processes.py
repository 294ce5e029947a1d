"""How processes of our own are started."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
from mia_functional._core import processes
if "command" in sys.argv:
    processes.run_as_command()
if "thread" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if __name__ == "__main__":
    print(processes.begin_processes("mia_functional._core.processes").get_start_method())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks are safe on Linux alone")
@pytest.mark.parametrize(
    ("words", "method"),
    [(["command"], "fork"), ([], "forkserver"), (["thread"], "forkserver"), (["command", "thread"], "forkserver")],
)
def test_only_the_command_is_forked_and_only_without_threads(words, method):
    """Somebody else's process may have threads that hold locks, for ever in a copy of it."""
    result = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == (f"{method}\n", "")
