"""Work on one item after the other in stages that overlap."""

import collections
import concurrent.futures
import threading

_END = object()


def in_stages(items, *stages, threads=None, waiting=2):
    """Yield what the last of `stages` makes of each item, in the order of the items.

    The first stage gets an item, each other one what the stage before it returns. Every stage works in threads of its
    own, and so does the iteration over `items`; only a few items are on their way at a time, however many there are.
    What goes wrong, in `items` or a stage, is raised in the place of its item, Ctrl-C included. Then no stage begins
    with anything more, and those at work are waited for; that is so too when the generator is closed.

    Args:
        items: any iterable, also one without end.
        stages: functions of one argument.
        threads: how many each stage has, a list; with one, by default, a stage has one item at a time, in order.
        waiting: how many items are on their way beside those that the threads have; more of them even out stages of
            which now one and now another is slow, and take memory.
    """
    threads = threads or [1] * len(stages)
    # Behind an error there is nothing more, which a generator sees to.
    source = (item for item in items)
    reader = concurrent.futures.ThreadPoolExecutor(1)
    workers = [concurrent.futures.ThreadPoolExecutor(count) for count in threads]
    on_their_way: collections.deque[concurrent.futures.Future] = collections.deque()
    stopped = threading.Event()

    def work(stage, before):
        item = before.result()
        return item if item is _END or stopped.is_set() else stage(item)

    def begin():
        future = reader.submit(next, source, _END)
        for pool, stage in zip(workers, stages, strict=True):
            future = pool.submit(work, stage, future)
        on_their_way.append(future)

    try:
        for _ in range(sum(threads) + waiting):
            begin()
        while (result := on_their_way.popleft().result()) is not _END:
            begin()
            yield result
    finally:
        stopped.set()
        for pool in (reader, *workers):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (reader, *workers):
            pool.shutdown()
