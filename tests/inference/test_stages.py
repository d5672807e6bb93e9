import itertools
import threading
import time

import pytest

from keras_liteseg.inference.stages import in_stages


def slow(number):
    time.sleep((7 - number) / 200)
    return number


@pytest.mark.parametrize("threads", [[1, 1], [3, 3], [3, 1]])
def test_results_come_in_order_whatever_each_takes(threads):
    assert list(in_stages(range(8), slow, lambda number: (number, -number), threads=threads)) == [
        (number, -number) for number in range(8)
    ]


def test_without_items():
    assert list(in_stages([], slow)) == []


def test_stages_overlap():
    """Each stage waits for the other: one after the other they would wait for ever."""
    first, second = threading.Event(), threading.Event()

    def one(number):
        if number == 1:
            first.set()
            assert second.wait(10)
        return number

    def other(number):
        if number == 0:
            assert first.wait(10)
            second.set()
        return number

    assert list(in_stages(range(3), one, other)) == [0, 1, 2]


def test_stage_of_several_threads_works_on_several_items():
    together = threading.Barrier(3, timeout=10)
    assert len(list(in_stages(range(6), lambda number: together.wait(), threads=[3]))) == 6


def test_stage_of_one_thread_has_one_item_at_a_time():
    inside, seen = threading.Lock(), []

    def alone(number):
        assert inside.acquire(blocking=False)
        time.sleep(0.001)
        seen.append(number)
        inside.release()

    list(in_stages(range(20), alone))
    assert seen == list(range(20))


@pytest.mark.parametrize("waiting", [2, 5])
@pytest.mark.parametrize("threads", [[1, 1], [3, 3], [3, 1]])
def test_few_items_are_on_their_way(threads, waiting):
    begun = 0

    def endless():
        nonlocal begun
        while True:
            begun += 1
            yield begun

    results = in_stages(endless(), abs, abs, threads=threads, waiting=waiting)
    for finished in range(1, 200):
        assert next(results) == finished
        assert begun <= finished + sum(threads) + waiting
    results.close()
    begun_by_then = begun
    time.sleep(0.02)
    assert begun == begun_by_then


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("place", ["items", "first", "second"])
def test_error_comes_in_the_place_of_its_item_and_ends_all(kind, place):
    read = []

    def fail(where, number):
        if where == place and number == 5:
            raise kind("the fifth")
        return number

    def items():
        for number in range(100):
            read.append(number)
            yield fail("items", number)

    found = []
    with pytest.raises(kind, match="the fifth"):
        for result in in_stages(items(), lambda each: fail("first", each), lambda each: fail("second", each)):
            found.append(result)
    assert found == [0, 1, 2, 3, 4] and len(read) <= 10
    if place == "items":
        assert len(read) == 6


def test_no_thread_stays():
    before = threading.active_count()
    results = in_stages(itertools.count(), abs, abs)
    assert next(results) == 0
    results.close()
    with pytest.raises(ZeroDivisionError):
        list(in_stages([1, 0], lambda number: 1 / number))
    assert threading.active_count() == before


def test_what_is_on_its_way_when_it_is_closed_goes_no_further():
    entered, released, arrived = threading.Event(), threading.Event(), []

    def first(number):
        if number == 1:
            entered.set()
            released.wait(10)
        return number

    results = in_stages(range(9), first, arrived.append)
    next(results)
    assert entered.wait(10)
    threading.Timer(0.5, released.set).start()
    results.close()
    assert released.is_set() and arrived == [0]
