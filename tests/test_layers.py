"""The rules of the house, read from the source by an `ast` walk.

Imports go down only (a room imports rooms of lower rank), rooms of one rank never import each
other, inside a room there is no cycle; optimisers are stepped in `training/` only; nothing is
unpickled; there is no utils. An import inside a function counts like any other.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "skhep_anomaly"
ROOT = PACKAGE.name

ORDER = [
    "exceptions",
    "_validation _random _atomic _device",
    "nn metrics preprocessing",
    "training persistence parallel datasets simulators",
    "outliers surrogates",
    "ope generators",
    "optimize plotting",
    "report",
    "comparison",
    "cli __init__",
    "__main__",
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms.split()}
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "misc"}
STEPPING_ROOM = "training"
BY_NAME = {  # files that may import a module by its name, as a string
    "__init__": "public names are loaded when they are used",
    "persistence.classes": "the class of a model file is looked up in the public names",
    "datasets._extras": "imports optional libraries of others only",
}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
UNPICKLING_CALLS = {"torch.load", "joblib.load", "pandas.read_pickle", "pd.read_pickle"}


def sources(package: Path) -> dict[str, ast.Module]:
    """Dotted module name inside the package ("outliers.vae", "outliers.__init__") -> its tree."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package).with_suffix("").parts)
        trees[name] = ast.parse(path.read_text("utf-8"), str(path))
    return trees


def room(module: str) -> str:
    return module.split(".")[0]


def resolve(target: str, modules) -> str:
    """The file that a dotted name inside the package stands for; `target` itself if none does."""
    for name in (target, f"{target}.__init__" if target else "__init__"):
        if name in modules:
            return name
    return target


def from_targets(node: ast.ImportFrom, module: str) -> list[str]:
    """Dotted names, relative to the package, that a `from … import …` may reach; [] if foreign."""
    if node.level:
        base = module.split(".")[: -node.level]
        base += node.module.split(".") if node.module else []
    else:
        head, *base = (node.module or "").split(".")
        if head != ROOT:
            return []
    return [".".join([*base, alias.name]) for alias in node.names]


def imports(module: str, tree: ast.Module, modules) -> list[tuple[str, int]]:
    """Every file of ours that this one imports, with the line of the import."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name.split(".", 1) for a in node.names if a.name.split(".")[0] == ROOT]
            found += [(resolve(n[1] if n[1:] else "", modules), node.lineno) for n in names]
        elif isinstance(node, ast.ImportFrom):
            for target in from_targets(node, module):
                file = resolve(target, modules)
                if file not in modules:  # a name defined in the module, not a module
                    file = resolve(target.rpartition(".")[0], modules)
                found.append((file, node.lineno))
    return found


def import_faults(trees: dict[str, ast.Module]) -> list[str]:
    faults = [f"{m}: room without a rank in ORDER" for m in trees if room(m) not in RANK]
    for module, tree in trees.items():
        for target, line in imports(module, tree, trees):
            here, there = room(module), room(target)
            if here == there or here not in RANK or there not in RANK:
                continue
            if RANK[there] >= RANK[here]:
                faults.append(f"{module}:{line} imports {target}, which is not below it")
    return faults


def cycle_faults(trees: dict[str, ast.Module]) -> list[str]:
    """A depth-first walk; a module met again while it is still open closes a cycle."""
    edges = {m: sorted({t for t, _ in imports(m, tree, trees)}) for m, tree in trees.items()}
    faults, closed = [], set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            faults.append(f"cycle {' -> '.join([*trail[trail.index(module) :], module])}")
        elif module in edges and module not in closed:
            for target in edges[module]:
                visit(target, [*trail, module])
            closed.add(module)

    for module in edges:
        visit(module, [])
    return faults


def name_faults(trees: dict[str, ast.Module]) -> list[str]:
    return [
        f"{module}: no file or folder is called {part}"
        for module in trees
        for part in module.split(".")
        if part.strip("_") in FORBIDDEN_NAMES
    ]


def stepping_faults(trees: dict[str, ast.Module]) -> list[str]:
    """`.backward(`, `.zero_grad(`, `optimizer.step(` and torch.optim outside the training room."""
    faults = []
    for module, tree in trees.items():
        if room(module) == STEPPING_ROOM:
            continue
        for node in ast.walk(tree):
            if steps_optimiser(node):
                faults.append(f"{module}:{node.lineno} steps an optimiser outside {STEPPING_ROOM}/")
    return faults


def steps_optimiser(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func).endswith((".backward", ".zero_grad", "optimizer.step"))
    if isinstance(node, ast.ImportFrom):
        return f"{node.module}.".startswith("torch.optim.")
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.optim"


def unpickling_faults(trees: dict[str, ast.Module]) -> list[str]:
    faults = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            pickled = isinstance(node, ast.keyword) and (
                node.arg == "allow_pickle" and not is_false(node.value)
            )
            executed = called in {"eval", "exec", *UNPICKLING_CALLS}
            if UNPICKLERS & set(names) or executed or pickled:
                line = getattr(node, "lineno", 0)
                faults.append(f"{module}:{line} may execute what a file says")
    return faults


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def lazy_import_faults(trees: dict[str, ast.Module]) -> list[str]:
    """`import_module` hides an import from the walk: only the files in BY_NAME may call it so."""
    return [
        f"{module}:{node.lineno} hides an import in import_module"
        for module, tree in trees.items()
        if module not in BY_NAME
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}
        and not (
            node.args
            and isinstance(node.args[0], ast.Constant)
            and not str(node.args[0].value).startswith((ROOT, "."))
        )
    ]


RULES = [
    import_faults,
    cycle_faults,
    name_faults,
    stepping_faults,
    unpickling_faults,
    lazy_import_faults,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_follows(rule):
    trees = sources(PACKAGE)
    faults = rule(trees)
    assert len(trees) >= 2
    assert not faults, "\n" + "\n".join(faults)


def made_up(folder: Path, files: dict[str, str]) -> dict[str, ast.Module]:
    """A package of the given files, {"outliers/vae": source}."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return sources(folder)


@pytest.mark.parametrize(
    "files, rule, told",
    [
        ({"nn/mlp": "from skhep_anomaly.outliers import vae"}, import_faults, "nn.mlp:1"),
        ({"nn/mlp": "\ndef f(): import skhep_anomaly.cli as c"}, import_faults, "nn.mlp:2"),
        ({"nn/mlp": "from skhep_anomaly import outliers"}, import_faults, "nn.mlp:1"),
        ({"nn/mlp": "from ..training import net"}, import_faults, "nn.mlp:1"),
        ({"nn/mlp": "import skhep_anomaly.metrics.ams"}, import_faults, "nn.mlp:1"),
        ({"nn/mlp": "import skhep_anomaly"}, import_faults, "nn.mlp:1"),
        ({"nn/mlp": "from skhep_anomaly import __version__"}, import_faults, "nn.mlp:1"),
        ({"cellar/x": ""}, import_faults, "cellar.x: room without a rank"),
        ({"nn/a": "from skhep_anomaly.nn import b"}, cycle_faults, "nn.a -> nn.b -> nn.a"),
        ({"nn/a": "from .b import f"}, cycle_faults, "nn.a -> nn.b -> nn.a"),
        ({"nn/a_utils": "", "nn/helpers": ""}, name_faults, "nn.helpers"),
        ({"outliers/vae": "loss.sum().backward()"}, stepping_faults, "outliers.vae:1"),
        ({"outliers/vae": "self.optimizer.step()"}, stepping_faults, "outliers.vae:1"),
        ({"outliers/vae": "o = torch.optim.Adam(p)"}, stepping_faults, "outliers.vae:1"),
        ({"outliers/vae": "from torch.optim import Adam"}, stepping_faults, "outliers.vae:1"),
        ({"persistence": "import pickle"}, unpickling_faults, "persistence:1"),
        ({"persistence": "torch.load(f)"}, unpickling_faults, "persistence:1"),
        ({"persistence": "np.load(f, allow_pickle=True)"}, unpickling_faults, "persistence"),
        ({"report": "import_module('skhep_anomaly.cli')"}, lazy_import_faults, "report:1"),
        ({"report": "importlib.import_module(name)"}, lazy_import_faults, "report:1"),
    ],
)
def test_wrong_tree_is_told(tmp_path, files, rule, told):
    others = {"nn/b": "from skhep_anomaly.nn.a import f", "outliers/__init__": "", "__init__": ""}
    faults = rule(made_up(tmp_path, {**others, "metrics/ams": "", **files}))
    assert len([fault for fault in faults if told in fault]) == 1, faults


def test_right_tree_passes(tmp_path):
    trees = made_up(
        tmp_path,
        {
            "__init__": "from importlib import import_module\nimport_module('skhep_anomaly.cli')",
            "cli": "from skhep_anomaly.report import write\nfrom skhep_anomaly.nn import mlp",
            "report": "def write():\n    import_module('PIL')\n    np.load(f, allow_pickle=False)",
            "nn/mlp": "import torch\nfrom .losses import mse\nfrom .._random import seed",
            "nn/losses": "mse = torch.nn.functional.mse_loss",
            "_random": "def seed(): ...",
            "training/net": "loss.backward()\noptimizer.step()",
            "plotting/roc": "ax.step(x, y)",
        },
    )
    assert [fault for rule in RULES for fault in rule(trees)] == []


def test_ranks_go_down_from_the_command_line():
    assert RANK["cli"] > RANK["report"] > RANK["plotting"] > RANK["outliers"] > RANK["training"]
    assert RANK["nn"] == RANK["metrics"] == 2
