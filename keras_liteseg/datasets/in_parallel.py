"""Work on many files with all cores, the results in order."""

import concurrent.futures
import os
import threading

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(function, items, title, progress=True):
    """Yield `function` of each of a list of items, in their order, with a progress bar on a terminal.

    The work is done in threads: what decodes pictures and counts pixels lets the others run meanwhile. After an error,
    Ctrl-C included, nothing more is begun.
    """
    import tqdm

    stopped = threading.Event()

    def work(item):
        if stopped.is_set():
            return None
        try:
            return function(item)
        except BaseException:
            # Here and not where the error arrives, because a thread may do a thousand items until then.
            stopped.set()
            raise

    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        try:
            results = pool.map(work, items)
            yield from tqdm.tqdm(results, title, len(items), disable=None if progress else True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
