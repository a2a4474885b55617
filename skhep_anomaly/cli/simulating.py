"""``skhep-anomaly simulate showers``: a generator, or GFLASH, into a file of any length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.cli.console import say
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.cli.particles import read_particles
from skhep_anomaly.generators import CaloGANGenerator
from skhep_anomaly.generators._conditions import check_conditions
from skhep_anomaly.generators._shower_files import check_shower_path, shower_writer
from skhep_anomaly.generators._unfinished import is_unfinished
from skhep_anomaly.generators._wanted import GivenConditions
from skhep_anomaly.persistence import load
from skhep_anomaly.simulators import draw_conditions, make_toy_showers
from skhep_anomaly.training.progress import counting_bar

__all__ = ["run"]

_TOY_SHAPE = (30, 30)
_TOY_BLOCK = 256


def run(options: Any) -> int:
    """Simulate what the options say; give the exit code."""
    path = check_shower_path(options.out)
    check_writable(options.out)
    if is_unfinished(path) and not options.resume:
        raise ValueError(
            f"{path}.part is the unfinished output of an earlier run: go on with it by --resume, "
            "or remove it"
        )
    try:
        n, shape = _toys(path, options) if options.toy else _showers(path, options)
    except (KeyboardInterrupt, OSError):
        if is_unfinished(path):
            say(f"{path} is unfinished; the same command with --resume goes on")
        raise
    if not options.quiet:
        say(f"{n:,} showers of {shape[0]} × {shape[1]} cells: {path}")
    return 0


def _showers(path: Path, options: Any) -> tuple[int, Any]:
    if options.model is None:
        model = CaloGANGenerator.pretrained(device=options.device)
    else:
        model = load(options.model, device=options.device)
    if not isinstance(model, CaloGANGenerator):
        raise ValueError(
            f"{options.model} holds {type(model).__name__}, which makes no showers; a "
            "CaloGANGenerator is needed"
        )
    model.set_params(verbose=0 if options.quiet else 1)
    wanted = options.n or read_particles(options.conditions, tree=options.tree)
    made = model.sample(
        wanted, options.n_per_condition, random_state=options.seed, out=path, resume=True
    )
    return len(made), model.shape


def _toys(path: Path, options: Any) -> tuple[int, Any]:
    """Make GFLASH showers in blocks, each with a seed of its own."""
    if options.n:
        table = draw_conditions(options.n, random_state=options.seed)
    else:
        table = read_particles(options.conditions, tree=options.tree)
    wanted = GivenConditions(check_conditions(table, "simulate showers"), options.n_per_condition)
    facts = {"model": "GFLASH", "conditions": wanted.digest(), "seed": options.seed}
    facts["number of showers"] = len(wanted)
    with (
        shower_writer(path, wanted, _TOY_SHAPE, facts) as writer,
        counting_bar(
            None if options.quiet else "GFLASH", len(wanted), writer.done, "shower"
        ) as bar,
    ):
        for made in _toy_blocks(wanted, options.seed, writer.done):
            writer.write(made)
            bar.advance_by(len(made))
    return len(wanted), _TOY_SHAPE


def _toy_blocks(wanted: GivenConditions, seed: int, done: int) -> Iterator[NDArray[np.float32]]:
    for low in range(done, len(wanted), _TOY_BLOCK):  # what is done are whole blocks
        rows = wanted.rows(low, min(low + _TOY_BLOCK, len(wanted)))
        key = np.random.SeedSequence(seed, spawn_key=(low // _TOY_BLOCK,))
        yield make_toy_showers(conditions=rows, random_state=key).images
