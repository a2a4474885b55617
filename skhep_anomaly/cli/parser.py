"""The options of the command line. Nothing heavy is loaded before a command runs."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from typing import Any, NoReturn

from skhep_anomaly.cli.console import PROGRAM, complain

__all__ = ["ALL_MODELS", "build_parser"]

OUR_MODELS = ("ae", "vae", "flow", "gan", "groupwise", "ope")
ALL_MODELS = (*OUR_MODELS, "iforest", "ocsvm", "deepsvdd", "trees", "logistic")

DESCRIPTION = """\
Find odd events and simulate showers with generative models.

  compare   fit detectors on background, measure them, write a table and report.html
  fit       fit one detector and save it
  score     score events with a saved detector
  report    write the HTML report again from a comparison in JSON
  simulate  generate calorimeter showers, fast and in any number
"""
COMPARE = """\
Fit detectors on background events, several seeds each, test them on other background and on
signal, print a table with errors and write an HTML report. Without --data it runs on 18,311
HiggsML events that come with the package; no network is needed.

The classifiers ope, trees and logistic learn from K known signal events as well, a row of the table
for each K of --known; known events are in nobody's test.

A file with the columns of HiggsML (EventId, DER_*, PRI_*, Weight, Label) is recognised: EventId,
weights and azimuthal angles are left out of the features and PRI_jet_num tells the groups.
"""
COMPARE_EXAMPLES = """\
examples:
  skhep-anomaly compare
  skhep-anomaly compare --models vae,iforest --seeds 5 --json result.json
  skhep-anomaly compare --data atlas-higgs-challenge-2014-v2.csv.gz --max-rows 50000
  skhep-anomaly compare --data events.parquet --label is_signal --weight w --id event \\
      --exclude 'truth_*' --group n_jets
  skhep-anomaly compare --data events.root --tree nominal --label type --signal 3 --features met,ht
  skhep-anomaly compare --models vae,ope,trees,logistic --known 0,10,100 --set ope.eps=0.3
  skhep-anomaly compare --quick --out try.html --set vae.latent_dim=4
"""
FIT_EXAMPLES = """\
examples:
  skhep-anomaly fit --data events.parquet --label is_signal --model vae --out vae.skhep
  skhep-anomaly fit --data background.csv --id event --model ae --out ae.skhep \\
      --set score_kind=hybrid --set threshold=percentile --set percentile=95
  skhep-anomaly fit --data events.parquet --label is_signal --model ope --out ope.skhep
  skhep-anomaly fit --model groupwise --out jets.skhep        # on the embedded background
"""
SCORE_EXAMPLES = """\
examples:
  skhep-anomaly score --model vae.skhep --data events.root --id run,event --out scores.parquet

The output has the id columns (or "row", counted from 0), then
  score          higher = more normal
  anomaly_score  −score: higher = more anomalous
  outlier        1 below the detector's threshold, else 0
"""
REPORT_EXAMPLES = """\
example:
  skhep-anomaly report result.json --out report.html
"""
SIMULATE = """\
Generate calorimeter showers with a trained model, the one that comes with the package without
--model, or with the parametrised showers of GFLASH (--toy). Memory stays flat, however many.
"""
SIMULATE_EXAMPLES = """\
examples:
  skhep-anomaly simulate showers --n 100000 --out showers.npy
  skhep-anomaly simulate showers --conditions electrons.parquet --n-per-condition 10 --out s.h5
  skhep-anomaly simulate showers --model mine.skhep --conditions beam.npz --out s.npy --resume

Conditions: columns px, py, pz [GeV], x, y [cm] of a csv, parquet or ROOT file; an array (n, 5) in
.npy; or the schools' .npz with ParticleMomentum and ParticlePoint. Output: .npy with showers
(n, nx, ny) in MeV, or .h5 with "showers" and "conditions".

While it runs the output is FILE.part, with a journal FILE.part.json beside it. After a kill, or
Ctrl-C, the same command with --resume goes on; the result is bitwise that of one run.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Complain and leave."""
        complain(f"{message} (see {self.prog} --help)")
        sys.exit(2)


def build_parser() -> Parser:
    """Give the parser of all commands.

    Returns
    -------
    Parser
        Its result has ``command``, a command's name.
    """
    parser = Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {version('skhep_anomaly')}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_compare(commands)
    _add_fit(commands)
    _add_score(commands)
    _add_report(commands)
    _add_simulate(commands)
    return parser


def _add_command(commands: Any, name: str, words: str, epilog: str, text: str = "") -> Parser:
    parser: Parser = commands.add_parser(
        name,
        help=words,
        description=text or f"{words[0].upper()}{words[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no remarks")
    parser.add_argument("-v", "--verbose", action="store_true", help="full traceback of an error")
    return parser


def _add_compare(commands: Any) -> None:
    parser = _add_command(
        commands, "compare", "compare detectors (the main job)", COMPARE_EXAMPLES, COMPARE
    )
    _add_events(parser)
    _add_training(parser)
    parser.add_argument(
        "--models", type=_names, metavar="A,B,…", help=f"any of {','.join(ALL_MODELS)} (all)"
    )
    parser.add_argument(
        "--known",
        type=_numbers,
        metavar="K,K,…",
        help="known signal events that classifiers learn from (0,20,200)",
    )
    parser.add_argument("--seeds", type=_count, default=3, metavar="N", help="how many (3)")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="MODEL.PARAM=VALUE",
        help="a detector's parameter; may be repeated",
    )
    parser.add_argument(
        "--bootstrap", type=_whole, default=100, metavar="N", help="for errors (100)"
    )
    parser.add_argument(
        "--jobs",
        type=_whole,
        metavar="N",
        help="worker processes (as many as cores); 0: none, in this process",
    )
    parser.add_argument("--quick", action="store_true", help="hardly any training: try a command")
    parser.add_argument("--out", default="report.html", metavar="FILE", help="(report.html)")
    parser.add_argument("--no-report", action="store_true", help="print the table alone")
    parser.add_argument("--json", metavar="FILE", help="keep all numbers, for the command report")
    parser.set_defaults(command="compare")


def _add_fit(commands: Any) -> None:
    parser = _add_command(commands, "fit", "fit one detector and save it", FIT_EXAMPLES)
    parser.add_argument("--model", required=True, choices=OUR_MODELS, help="which detector")
    parser.add_argument("--out", required=True, metavar="FILE", help="model file to write")
    parser.add_argument(
        "--known",
        type=_whole,
        metavar="K",
        help="signal events that ope learns from, drawn at random (all)",
    )
    _add_events(parser)
    _add_training(parser)
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="PARAM=VALUE",
        help="a parameter of the detector; may be repeated",
    )
    parser.set_defaults(command="fit")


def _add_score(commands: Any) -> None:
    parser = _add_command(commands, "score", "score events with a saved detector", SCORE_EXAMPLES)
    parser.add_argument("--model", required=True, metavar="FILE", help="what fit has written")
    parser.add_argument("--data", required=True, metavar="FILE", help="csv, parquet or ROOT")
    parser.add_argument("--out", required=True, metavar="FILE", help="csv or parquet to write")
    parser.add_argument(
        "--id", type=_names, default=[], metavar="A,B,…", help="columns carried over"
    )
    parser.add_argument("--tree", metavar="NAME", help="tree of a ROOT file")
    parser.add_argument(
        "--chunk", type=_count, default=100_000, metavar="ROWS", help="at a time (100000)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (cpu)")
    parser.set_defaults(command="score")


def _add_report(commands: Any) -> None:
    parser = _add_command(
        commands, "report", "write the report again from compare --json", REPORT_EXAMPLES
    )
    parser.add_argument("result", metavar="JSON", help="what compare --json has written")
    parser.add_argument("--out", default="report.html", metavar="FILE", help="(report.html)")
    parser.set_defaults(command="report")


def _add_simulate(commands: Any) -> None:
    words = "generate calorimeter showers"
    parser = _add_command(commands, "simulate", words, SIMULATE_EXAMPLES, SIMULATE)
    parser.add_argument("what", choices=["showers"], help="what to simulate")
    maker = parser.add_mutually_exclusive_group()
    maker.add_argument("--model", metavar="FILE", help="a saved generator (the package's own)")
    maker.add_argument("--toy", action="store_true", help="GFLASH instead of a model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--conditions", metavar="FILE", help="csv, parquet, ROOT, npz or npy")
    source.add_argument(
        "--n", type=_count, metavar="N", help="so many showers, under conditions as in training"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help=".npy or .h5 to write")
    parser.add_argument(
        "--n-per-condition", type=_count, default=1, metavar="K", help="showers for each (1)"
    )
    parser.add_argument("--tree", metavar="NAME", help="tree of a ROOT file")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="(0)")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished output")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (cpu)")
    parser.set_defaults(command="simulate")


def _add_events(parser: argparse.ArgumentParser) -> None:
    """Add what says which events and which of their columns."""
    group = parser.add_argument_group("events")
    group.add_argument(
        "--data", metavar="FILE", help="csv(.gz), parquet or ROOT; none: embedded HiggsML"
    )
    group.add_argument("--tree", metavar="NAME", help="tree of a ROOT file")
    group.add_argument("--label", metavar="COL", help="column that tells signal from background")
    group.add_argument(
        "--signal", metavar="VALUE", help="label of signal (1, if labels are 0 and 1)"
    )
    group.add_argument("--weight", metavar="COL", help="expected events per row")
    group.add_argument("--id", type=_names, default=[], metavar="A,B,…", help="no features")
    group.add_argument(
        "--features", type=_names, metavar="A,B,…", help="names or patterns (all others)"
    )
    group.add_argument(
        "--exclude", type=_names, default=[], metavar="A,B,…", help="names or patterns"
    )
    group.add_argument("--group", metavar="COL", help="feature such as the number of jets, or none")
    group.add_argument("--missing", type=float, default=-999.0, help="means undefined (-999)")
    group.add_argument(
        "--max-rows", type=_count, metavar="N", help="so many at most, drawn at random"
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument("--seed", type=_whole, default=0, metavar="N", help="(the first) seed (0)")
    group.add_argument("--device", default="cpu", help="cpu, cuda or auto (cpu)")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[int]:
    numbers = [_whole(number) for number in _names(text)]
    if not numbers:
        raise argparse.ArgumentTypeError("no number is given")
    return numbers


def _whole(text: str) -> int:
    number = int(text) if text.strip().isdigit() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number ≥ 0")
    return number


def _count(text: str) -> int:
    if not _whole(text):
        raise argparse.ArgumentTypeError("0 is too few, give 1 or more")
    return int(text)
