"""The generators of the quality table: how each is made, trained once and kept as a file.

A model is NAME.skhep with NAME.json beside it (CPU seconds of training, showers it saw, threads,
seed). A file that is there is taken, whoever trained it; a missing one is trained. The default
recipe is 8,000 steps; adversarial losses have a fixed time instead, their steps cost more.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _record import told
from _shower_data import Showers

from skhep_anomaly import CaloGANGenerator, load


@dataclass(frozen=True)
class Recipe:
    """How a generator is made, with which seed, showers (None: all) and seconds (None: steps)."""

    make: Callable[..., CaloGANGenerator]
    seed: int = 0
    n_showers: int | None = None
    seconds: float | None = None


def _loss(name: str) -> Callable[..., CaloGANGenerator]:
    return lambda **given: CaloGANGenerator(loss=name, **given)


def _fast(**given: Any) -> CaloGANGenerator:
    return CaloGANGenerator.fast_preset(**given)


RECIPES: dict[str, Recipe] = {
    **{f"default-{seed}": Recipe(CaloGANGenerator, seed) for seed in range(3)},
    **{f"curve-{n}": Recipe(CaloGANGenerator, n_showers=n) for n in (1000, 3000, 10000)},
    "fast-0": Recipe(_fast),
    "energy_score+critic-0": Recipe(_loss("energy_score+critic"), seconds=400),
    "cramer-0": Recipe(_loss("cramer"), seconds=400),
    "wgan_gp-0": Recipe(_loss("wgan_gp"), seconds=400),
    "paper-0": Recipe(CaloGANGenerator.paper_preset, seconds=600),
}


def get(
    name: str, train: Showers, folder: Path, *, seconds: float | None = None, may_train: bool = True
) -> tuple[CaloGANGenerator, dict[str, Any]] | None:
    """Give a model and what its training took; None where it is missing and may not be trained.

    `seconds` bounds the training instead of the recipe's own measure.
    """
    file, note = folder / f"{name}.skhep", folder / f"{name}.json"
    if not file.exists():
        if not may_train:
            return None
        _train(RECIPES[name], train, seconds, file, note)
    found = json.loads(note.read_text("utf-8")) if note.exists() else {}
    return load(file), found


def _train(recipe: Recipe, train: Showers, seconds: float | None, file: Path, note: Path) -> None:
    some = train if recipe.n_showers is None else train[: recipe.n_showers]
    bound = recipe.seconds if seconds is None else seconds
    model = recipe.make(random_state=recipe.seed, max_time=bound)
    told(f"training {file.stem} on {len(some)} showers, {bound or 'full recipe'} s")
    start = time.process_time()
    model.fit(some.X, some.images)
    facts = {
        "cpu_s": round(time.process_time() - start, 1),
        "n_showers": len(some),
        "threads": torch.get_num_threads(),
        "seed": recipe.seed,
        "max_time": bound,
        "rounds": model.n_iter_,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = note.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(facts) + "\n", "utf-8")
    temporary.replace(note)
    model.save(file)
