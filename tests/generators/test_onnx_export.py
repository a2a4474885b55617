"""The ONNX file says what torch says, holds no random operator, and is described beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from skhep_anomaly import CaloGANGenerator
from skhep_anomaly.exceptions import ModelFileError
from skhep_anomaly.generators import _onnx
from skhep_anomaly.generators._onnx import export_net, open_session
from skhep_anomaly.generators._onnx_int8 import activation_scale
from skhep_anomaly.nn.cell_noise import TableNoise
from skhep_anomaly.nn.shower_deconv import DeconvTrunk
from skhep_anomaly.nn.shower_frame import PlainFrame, ShowerFrame
from skhep_anomaly.nn.shower_net import GaussianNoise, MLPTrunk, ResponseHead, ShowerNet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"}


def conditions(n=200, seed=0):
    rng = np.random.default_rng(seed)
    p = np.exp(rng.uniform(0, np.log(100), n))
    slopes = rng.normal(0, (0.35, 0.175), (n, 2))
    pz = p / np.sqrt(1 + (slopes**2).sum(axis=1))
    place = rng.uniform(-6, 6, (n, 2))
    return np.column_stack([slopes * pz[:, None], pz, place]).astype(np.float32)


def make_net(shape=(8, 8), frame=ShowerFrame, noise="table", head=True, trunk="mlp", seed=0):
    """A net whose every part does something, untrained."""
    generator = torch.Generator().manual_seed(seed)
    X, rng = conditions(), np.random.default_rng(seed)
    place = frame(shape)
    place.learn(X.astype(np.float64), None)
    n_map = place.map_shape[0] * place.map_shape[1]
    body = MLPTrunk(6, (32, 24), n_map)
    if trunk == "deconv":
        body = DeconvTrunk(5, 6, place.map_shape, 16)
    kinds = {"table": lambda: TableNoise(place.map_shape), "gaussian": GaussianNoise}
    net = ShowerNet(
        place,
        body,
        6,
        noise=kinds[noise]() if noise else None,
        response=ResponseHead(6) if head else None,
    )
    body.reset(generator)
    if head:
        net.response.reset(generator)
    images = rng.exponential(X[:, 2:3], (len(X), shape[0] * shape[1])).astype(np.float32)
    net.learn(torch.from_numpy(X), torch.from_numpy(images))
    with torch.no_grad():
        net.log_profile += torch.from_numpy(bump(place.map_shape)).float().flatten()
        if noise:
            net.pull.copy_(torch.tensor([0.3, 0.2]))
            net.low.after.add_(torch.linspace(0.5, 0.0, len(net.low.after)))
            net.low.after[:20] = -60.0
        if noise == "table":
            rows, columns = net.noise.table.shape
            net.noise.table += 0.5 * torch.linspace(-7, 13, rows)[:, None] - 1.0
            net.noise.table += 0.6 * torch.linspace(-3.75, 3.75, columns)
            net.noise.mixing.copy_(torch.rand(n_map, generator=generator) * 0.2)
            net.noise.log_scale.copy_(torch.rand(n_map, generator=generator) * 0.2 - 0.1)
    return net.eval()


def bump(map_shape):
    """A peak at the axis, so that cells are of all sizes."""
    u, v = (np.arange(n) - n // 2 for n in map_shape)
    return -0.5 * np.hypot(u[:, None] - 1, v)


def run(path, rows):
    return open_session(path).run(None, {"input": rows.astype(np.float32)})[0]


def described(path):
    return json.loads(path.with_suffix(".conditions.json").read_text("utf-8"))


NETS = {
    "default": {},
    "odd and oblong": {"shape": (7, 9)},
    "no frame": {"frame": PlainFrame},
    "gaussian": {"noise": "gaussian", "head": False},
    "no noise": {"noise": None},
    "deconvolution": {"trunk": "deconv", "head": False},
    "deconvolution, no frame": {"trunk": "deconv", "frame": PlainFrame, "shape": (9, 7)},
}


@pytest.mark.parametrize("kind", NETS)
def test_full_layout_equals_torch(tmp_path, kind):
    net, X = make_net(**NETS[kind]), conditions(50, seed=1)
    path = export_net(net, X, tmp_path / "a.onnx", layout="full")
    z, eps = net.draw_noise(50, torch.Generator().manual_seed(3))
    parts = [z] if eps is None else [z, eps]
    got = run(path, np.concatenate([*(p.numpy() for p in parts), X], axis=1))
    expected = net.make(torch.from_numpy(X), z, eps).numpy()
    largest = expected.max(axis=1, keepdims=True)
    np.testing.assert_array_less(np.abs(got - expected) / largest, 1e-5)


@pytest.mark.parametrize("kind", NETS)
def test_par04_layout_equals_torch(tmp_path, kind):
    net, X = make_net(**NETS[kind]), conditions(50, seed=1)
    path = export_net(net, X, tmp_path / "a.onnx")
    z, _ = net.draw_noise(50, torch.Generator().manual_seed(3))
    c, energy, _ = net.frame(torch.from_numpy(X))
    got = run(path, np.concatenate([z.numpy(), c.numpy()], axis=1))
    with torch.no_grad():
        share = torch.softmax(net.trunk(c, z) + net.log_profile, dim=1)
        expected = (share * net.total(c, z, energy) / (1000.0 * energy[:, None])).numpy()
    assert described(path)["largest_difference_to_torch"] < 1e-5
    np.testing.assert_allclose(got, expected, atol=1e-5 * expected.max(), rtol=1e-4)
    assert got.sum(axis=1) == pytest.approx((expected.sum(axis=1)), rel=1e-5)


@pytest.mark.parametrize("layout", ["par04", "full"])
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_one_float_input_and_nothing_random(tmp_path, layout, quantize):
    net = make_net()
    path = export_net(net, conditions(), tmp_path / "a.onnx", layout=layout, quantize=quantize)
    graph = onnx.load(path).graph
    assert [i.name for i in graph.input] == ["input"]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert len(graph.output) == 1
    assert not RANDOM & {node.op_type for node in graph.node}
    sizes = sum(column["size"] for column in described(path)["input"]["columns"])
    assert sizes == graph.input[0].type.tensor_type.shape.dim[1].dim_value
    assert sizes == (6 + 5 if layout == "par04" else 6 + 64 + 5)


def test_window_holds_most_of_the_mean_map(tmp_path):
    net = make_net(noise=None)
    whole = export_net(net, conditions(), tmp_path / "whole.onnx")
    part = export_net(net, conditions(), tmp_path / "part.onnx", window=(6, 5))
    about, rows = described(part)["output"], np.zeros((1, 11))
    u, v = (k + 9 for k in about["first_cell_from_axis"])  # the axis is cell 4 + 5 of the map
    cells = run(whole, rows).reshape(18, 18)[u : u + 6, v : v + 5]
    got = run(part, rows).reshape(6, 5)
    np.testing.assert_allclose(got, cells * (got.sum() / cells.sum()), rtol=1e-4)
    profile = np.exp(net.log_profile.numpy()).reshape(18, 18)
    sums = [
        profile[a : a + 6, b : b + 5].sum() for a in range(18 - 6 + 1) for b in range(18 - 5 + 1)
    ]
    assert profile[u : u + 6, v : v + 5].sum() == pytest.approx(max(sums))
    assert about["share_of_mean_shower"] == pytest.approx(max(sums) / profile.sum(), rel=1e-4)


def test_eight_bits_stay_close_and_rows_stay_apart(tmp_path):
    net, X = make_net(noise=None), conditions()
    path = export_net(net, X, tmp_path / "a.onnx", quantize="int8")
    exact = export_net(net, X, tmp_path / "b.onnx")
    rows = torch.randn(64, 11, generator=torch.Generator().manual_seed(0)).numpy()
    got, expected = run(path, rows), run(exact, rows)
    distance = 0.5 * np.abs(got - expected).sum(axis=1) / expected.sum(axis=1)
    assert 0.0 < distance.mean() < 0.03
    np.testing.assert_allclose(run(path, rows[5:6]), got[5:6], rtol=1e-5)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("QuantizeLinear") == operators.count("Gemm") == 6
    assert path.stat().st_size < 0.5 * exact.stat().st_size


def test_activation_scale_keeps_zero_and_the_range():
    scale = activation_scale(np.linspace(-1.0, 4.1, 1001, dtype=np.float32))
    low, high = (scale.step * (q - float(scale.zero)) for q in (0, 255))
    assert low == pytest.approx(-1.0, abs=0.02)
    assert high == pytest.approx(4.1, abs=0.02)
    assert activation_scale(np.ones(3, dtype=np.float32)).zero == 0


def test_description_names_units_geometry_and_the_file(tmp_path):
    net = make_net()
    path = export_net(net, conditions(), tmp_path / "a.onnx")
    about = described(path)
    assert about["file"] == {
        "name": "a.onnx",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert about["geometry"]["cell_cm"] == 2.02
    assert about["geometry"]["shape"] == [8, 8]
    assert about["conditions"]["units"] == ["GeV", "GeV", "GeV", "cm", "cm"]
    np.testing.assert_array_equal(about["conditions"]["center"], net.frame.center.numpy())
    np.testing.assert_allclose(
        about["cell_noise"]["table"], net.noise.table.detach().numpy(), rtol=1e-6
    )
    assert about["skhep_anomaly"] == sys.modules["skhep_anomaly"].__version__


def test_a_file_that_differs_from_torch_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx.Export, "_par04", lambda self, graph: (graph.INPUT, 11))
    monkeypatch.setattr(
        _onnx.Export, "rows", lambda self, X, n: (torch.ones(n, 11), 1.001 * torch.ones(n, 11))
    )
    with pytest.raises(RuntimeError, match="differs from torch by 0.001"):
        export_net(make_net(), conditions(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layout": "flat"}, "layout='flat' must be one of"),
        ({"quantize": "int4"}, "quantize='int4' must be 'int8' or None"),
        ({"window": (3, 40)}, "must be two ints (wu, wv) from 1 to the map's 18 and 18 cells"),
        ({"window": 5}, "must be two ints (wu, wv) from 1"),
        ({"window": (5, 5), "layout": "full"}, "is for layout='par04' and frame='canonical'"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        export_net(make_net(), conditions(), tmp_path / "a.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_deconvolutions_have_no_eight_bits(tmp_path):
    net = make_net(trunk="deconv")
    with pytest.raises(ValueError, match="quantize='int8' is for dense layers"):
        export_net(net, conditions(), tmp_path / "a.onnx", quantize="int8")


def test_missing_onnx_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "skhep_anomaly\[onnx\]"'):
        export_net(make_net(), conditions(), tmp_path / "a.onnx")


def test_estimator_exports_its_generator(tmp_path):
    X, rng = conditions(), np.random.default_rng(0)
    y = rng.exponential(X[:, 2, None, None], (len(X), 8, 8))
    generator = CaloGANGenerator(
        latent_dim=4, hidden_layer_sizes=(8,), shape=(8, 8), max_epochs=1, random_state=0
    )
    generator.fit(X, y)
    path = generator.export_onnx(tmp_path / "a.onnx", layout="full")
    net = generator.net_.module_.generator
    z, eps = net.draw_noise(3, torch.Generator().manual_seed(0))
    expected = net.make(torch.from_numpy(X[:3]), z, eps).numpy()
    got = run(path, np.concatenate([z.numpy(), eps.numpy(), X[:3]], axis=1))
    np.testing.assert_allclose(got, expected, atol=1e-5 * expected.max())


# What the snippet includes, reduced to what it calls: the window holds 1, 2, 3 … millionths.
STUBS = {
    "onnxruntime_cxx_api.h": """
#include <cstdint>
#include <cstdio>
#include <vector>
enum { OrtArenaAllocator, OrtMemTypeDefault, ORT_LOGGING_LEVEL_WARNING };
namespace Ort {
struct MemoryInfo { static MemoryInfo CreateCpu(int, int) { return {}; } };
struct RunOptions { RunOptions(decltype(nullptr)) {} };
struct SessionOptions { void SetIntraOpNumThreads(int) {} };
struct Env { Env(int, const char*) {} };
struct Value {
  template <class T>
  static Value CreateTensor(const MemoryInfo&, T* p, size_t n, const int64_t*, size_t) {
    for (size_t i = n - 5; i < n; i++) printf("%.9g ", p[i]);
    return {};
  }
  template <class T> const T* GetTensorData() const {
    static std::vector<T> v(4000);
    for (int i = 0; i < 4000; i++) v[i] = (i + 1) * 1e-6f;
    return v.data();
  }
};
struct Session {
  Session(Env&, const char*, const SessionOptions&) {}
  std::vector<Value> Run(const RunOptions&, const char* const*, const Value*, size_t,
                         const char* const*, size_t) { return std::vector<Value>(1); }
};
}
""",
    "G4SystemOfUnits.hh": "static constexpr double cm = 10., GeV = 1000., MeV = 1.;",
    "G4AffineTransform.hh": """
#pragma once
#include <string>
struct G4ThreeVector {
  double a, b, c;
  G4ThreeVector(double x = 0, double y = 0, double z = 0) : a(x), b(y), c(z) {}
  double x() const { return a; }
  double y() const { return b; }
  double z() const { return c; }
  G4ThreeVector operator/(double s) const { return {a / s, b / s, c / s}; }
};
struct G4AffineTransform {
  G4ThreeVector TransformPoint(const G4ThreeVector& v) const { return v; }
};
""",
    "G4FastHit.hh": """
#pragma once
#include "G4AffineTransform.hh"
struct G4FastHit { G4FastHit(const G4ThreeVector&, double) {} };
""",
    "G4VFastSimulationModel.hh": """
#pragma once
#include "G4AffineTransform.hh"
using G4String = std::string;
using G4bool = bool;
struct G4Region {};
struct G4ParticleDefinition {
  const G4String& GetParticleName() const { static G4String s; return s; }
};
struct G4FastTrack {
  G4ThreeVector GetPrimaryTrackLocalMomentum() const { return {}; }
  G4ThreeVector GetPrimaryTrackLocalPosition() const { return {}; }
  const G4AffineTransform* GetInverseAffineTransformation() const {
    static G4AffineTransform t;
    return &t;
  }
};
struct G4FastStep {
  void KillPrimaryTrack() {}
  void ProposePrimaryTrackPathLength(double) {}
};
struct G4VFastSimulationModel {
  G4VFastSimulationModel(const G4String&, G4Region*) {}
  virtual ~G4VFastSimulationModel() {}
  virtual G4bool IsApplicable(const G4ParticleDefinition&) = 0;
  virtual G4bool ModelTrigger(const G4FastTrack&) = 0;
  virtual void DoIt(const G4FastTrack&, G4FastStep&) = 0;
};
""",
    "G4FastSimHitMaker.hh": """
#include "G4FastHit.hh"
#include "G4VFastSimulationModel.hh"
struct G4FastSimHitMaker { void make(const G4FastHit&, const G4FastTrack&) {} };
""",
    "Randomize.hh": "struct G4RandGauss { static double shoot(double, double) { return 0.; } };",
}
MAIN = """
#include "a.cpp"
int main() {
  showers::Net net("a.onnx");
  double a, b, c, x, y;
  while (scanf("%lf %lf %lf %lf %lf", &a, &b, &c, &x, &y) == 5) {
    for (float cell : showers::Generate(net, {a, b, c}, x, y)) printf("%.9g ", cell);
    printf("\\n");
  }
}
"""
COMPILER = shutil.which("g++") or shutil.which("clang++")


def compiled(folder, rows):
    """What the snippet makes of conditions: scaled ones, then cells."""
    for name, text in {**STUBS, "main.cpp": MAIN}.items():
        (folder / name).write_text(text)
    command = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.cpp"]
    subprocess.run([*command, "-I", "."], cwd=folder, check=True, capture_output=True)
    text = "\n".join(" ".join(repr(float(x)) for x in row) for row in rows)
    done = subprocess.run([folder / "main"], input=text, capture_output=True, text=True, check=True)
    return np.array([line.split() for line in done.stdout.splitlines()], dtype=float)


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
def test_snippet_frames_and_places_as_torch_does(tmp_path):
    net, X = make_net(noise=None), conditions(100, seed=2)
    export_net(net, X, tmp_path / "a.onnx")
    made = compiled(tmp_path, X)
    c, energy, cells = net.frame(torch.from_numpy(X))
    np.testing.assert_allclose(made[:, :5], c.numpy(), rtol=1e-4, atol=1e-5)
    weight = (cells.numpy() + 1) * 1e-6
    total = 1e-6 * 18 * 18 * (18 * 18 + 1) / 2
    expected = weight / weight.sum(axis=1, keepdims=True) * total * 1000 * energy.numpy()[:, None]
    np.testing.assert_allclose(made[:, 5:], expected, rtol=1e-5)


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
def test_snippet_of_the_full_layout_passes_conditions_on(tmp_path):
    net, X = make_net(), conditions(3)
    export_net(net, X, tmp_path / "a.onnx", layout="full")
    made = compiled(tmp_path, X)
    np.testing.assert_allclose(made[:, :5], X, rtol=1e-6)
    np.testing.assert_allclose(made[:, 5:], np.tile(np.arange(1, 65) * 1e-6, (3, 1)), rtol=1e-6)


def test_description_of_another_file_is_refused(tmp_path):
    from skhep_anomaly import OnnxShowerGenerator

    path = export_net(make_net(), conditions(), tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelFileError, match=r"is not the file that a.conditions.json describes"):
        OnnxShowerGenerator(path)
