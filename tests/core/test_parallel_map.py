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
