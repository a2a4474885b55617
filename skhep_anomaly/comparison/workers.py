"""Runs one after the other, here or in worker processes of one thread each.

Worker processes get their thread count from the environment they are born with; this process's own
is never touched. Arrays are handed over as a memory-mapped file, once. Ctrl-C reaches this process
alone, which ends its workers.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly.comparison.run import Events, Plan, Run, make_run

__all__ = ["make_runs"]

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_REFRESH = 1.0  # seconds
_IDLE = 60  # seconds that workers wait for the next comparison


def make_runs(
    plans: Sequence[Plan], events: Events, *, n_jobs: int | None, verbose: int
) -> list[Run]:
    """Make all runs; the order of the result is that of `plans`.

    Parameters
    ----------
    plans : sequence of Plan
        What to run.
    events : Events
        The data.
    n_jobs : int or None
        Worker processes; None runs here, with this process's threads.
    verbose : int
        1 shows a progress bar on stderr.

    Returns
    -------
    list of Run
        One a plan.
    """
    names = [f"{plan.name}, seed {plan.seed}" for plan in plans]
    with _progress(len(plans), verbose) as bar:
        if n_jobs is not None:
            return _in_workers(plans, names, events, n_jobs, bar)
        runs = []
        for plan, name in zip(plans, names, strict=True):
            bar.show([name])
            runs.append(make_run(plan, events))
            bar.advance()
        return runs


def _in_workers(
    plans: Sequence[Plan], names: Sequence[str], events: Events, n_jobs: int, bar: Any
) -> list[Run]:
    from joblib.externals.loky import get_reusable_executor

    with _shared(events) as (shared, path):
        n_workers = min(n_jobs, len(plans))
        executor = get_reusable_executor(
            max_workers=n_workers,
            timeout=_IDLE,
            env=dict.fromkeys(_THREAD_VARIABLES, "1"),
            initializer=_ignore_interrupts,
        )
        try:
            with _interrupts_ignored():  # the workers are born here
                futures = [executor.submit(_run_on_shared, plan, shared, path) for plan in plans]
            _watch(futures, names, n_workers, bar)
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(wait=True, kill_workers=True)
            raise


def _watch(futures: Sequence[Future[Run]], names: Sequence[str], n_jobs: int, bar: Any) -> None:
    """Wait for all runs, showing those under way, and stop at the first that broke a worker."""
    left = set(futures)
    while left:
        done, left = wait(left, timeout=_REFRESH, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
            bar.advance()
        # tasks are taken in order; loky calls those that wait in its queue running too
        open_names = [n for n, future in zip(names, futures, strict=True) if not future.done()]
        bar.show(open_names[:n_jobs])


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; processes that are born meanwhile ignore it for life.

    Blocking the signal would not do: loky unblocks it when it starts its resource tracker.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _shared(events: Events) -> Iterator[tuple[Events, str | None]]:
    """Put an array into a file for all workers; a frame travels with every task."""
    if not isinstance(events.X, np.ndarray):
        yield events, None
        return
    with tempfile.TemporaryDirectory(prefix="skhep_anomaly_", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "X.npy")
        np.save(path, events.X, allow_pickle=False)
        yield replace(events, X=None), str(path)


def _run_on_shared(plan: Plan, events: Events, path: str | None) -> Run:
    if path is not None:
        events = replace(events, X=np.load(path, mmap_mode="r", allow_pickle=False))
    return make_run(plan, events)


class _Silent:
    def show(self, names: Sequence[str]) -> None:
        """Do nothing."""

    def advance(self) -> None:
        """Do nothing."""


class _Bar(_Silent):
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def show(self, names: Sequence[str]) -> None:
        """Say what is being fitted; on a terminal the elapsed time moves on."""
        self.bar.set_postfix_str(" | ".join(names), refresh=self.bar.fp.isatty())

    def advance(self) -> None:
        """Count one run as done."""
        self.bar.update()


@contextmanager
def _progress(n_runs: int, verbose: int) -> Iterator[_Silent]:
    if not verbose:
        yield _Silent()
        return
    from tqdm.auto import tqdm

    with tqdm(total=n_runs, desc="compare", unit="fit", leave=True, dynamic_ncols=True) as bar:
        yield _Bar(bar)
