"""Functions over many items in a pool: what waits when the pool breaks."""

from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

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
        list(parallel_map._completed(str, enumerate(range(5)), pool, pending))
    assert sorted(pending.values()) == [(0, 0), (1, 1), (2, 2)]


def cores_of_a_worker(_):
    return processes.own_cores()


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_processes_share_the_cores(workers):
    """A second thread in each of as many processes as there are cores would get in the way of all."""
    found = parallel_map.map_in_processes(
        cores_of_a_worker, [None], workers=workers, lost=lambda _: None, preload="mia_functional._core.processes"
    )
    assert list(found) == [(0, max(processes.available_cores() // workers, 1))]
    assert processes.own_cores() == processes.available_cores()
