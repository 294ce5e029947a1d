"""A map over executors: in order, few items ahead, and nothing left waiting after an error."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mia_functional._core.ordered_map import map_ordered


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_order_and_items_are_read_few_ahead(workers):
    read = []

    def items():
        for number in range(50):
            read.append(number)
            yield number

    pool = None if workers is None else ThreadPoolExecutor(workers)
    results = map_ordered(lambda number: number**2, items(), executor=pool)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(read) <= 3 + (workers or 0) + 1
    assert list(results) == [number**2 for number in range(3, 50)]


def test_an_error_cancels_what_waits():
    done = []

    def fail(number):
        done.append(number)
        if number == 1:
            raise ValueError("no")
        return number

    class Submitted(list):
        def submit(self, function, item):
            self.append(pool.submit(function, item))
            return self[-1]

    with ThreadPoolExecutor(1) as pool:
        executor = Submitted()
        with pytest.raises(ValueError, match="no"):
            list(map_ordered(fail, range(100), executor=executor))
    # Without `_max_workers` four items wait behind the first.
    assert len(executor) <= 7
    assert all(future.done() for future in executor)
