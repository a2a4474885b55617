"""C++ for Geant4: an exported shower generator in a fast-simulation model.

The numbers of the file's description are written into a source that runs one shower and deposits
it, in the manner of Geant4's example Par04: fill the input, run the session, make one hit per cell.
"""

from __future__ import annotations

from string import Template
from typing import Any

__all__ = ["snippet"]

_HEAD = """\
// Showers of $file in a Geant4 fast-simulation model, in the manner of example Par04.
// Written by skhep_anomaly $version. Needs ONNX Runtime (onnxruntime_cxx_api.h), C++17.
// The calorimeter's face is centred at the envelope's local (0, 0), z points into it.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <onnxruntime_cxx_api.h>

#include "G4AffineTransform.hh"
#include "G4FastHit.hh"
#include "G4FastSimHitMaker.hh"
#include "G4SystemOfUnits.hh"
#include "G4VFastSimulationModel.hh"
#include "Randomize.hh"

namespace showers {

constexpr int kNx = $nx, kNy = $ny;      // cells of the calorimeter
const double kCell = $cell * cm;  // set to your geometry
constexpr int kInputs = $n_inputs, kOutputs = $n_outputs;

class Net {
 public:
  explicit Net(const char* path) : session_(env_, path, Options()) {}

  std::vector<float> Run(std::vector<float>& input) {
    const std::array<int64_t, 2> shape{1, kInputs};
    auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    auto tensor = Ort::Value::CreateTensor<float>(memory, input.data(), input.size(),
                                                  shape.data(), shape.size());
    const char* in[] = {"$input"};
    const char* out[] = {"$output"};
    auto result = session_.Run(Ort::RunOptions{nullptr}, in, &tensor, 1, out, 1);
    const float* cells = result[0].GetTensorData<float>();
    return {cells, cells + kOutputs};
  }

 private:
  static Ort::SessionOptions Options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    return options;
  }
  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "showers"};
  Ort::Session session_;
};
"""

_FULL = """
// Cells [MeV], row by row: [ix * kNy + iy]. Momentum in GeV, entry point in cm.
inline std::vector<float> Generate(Net& net, const std::array<double, 3>& p, double x, double y) {
  std::vector<float> input(kInputs);
  for (int i = 0; i < kInputs - 5; ++i) input[i] = G4RandGauss::shoot(0., 1.);
  const double conditions[] = {p[0], p[1], p[2], x, y};
  for (int i = 0; i < 5; ++i) input[kInputs - 5 + i] = conditions[i];
  return net.Run(input);
}
"""

_PAR04 = """
constexpr int kWu = $wu, kWv = $wv;                  // cells of the window around the axis
constexpr int kFirstU = $first_u, kFirstV = $first_v;  // its first cell, counted from the axis
constexpr double kCenter[] = {$center};
constexpr double kScale[] = {$scale};
$frame
// Cells [MeV], row by row: [ix * kNy + iy]. Momentum in GeV, entry point in cm.
// These are the means of the cells given the shower: layout "full" has the cells' noise too.
inline std::vector<float> Generate(Net& net, const std::array<double, 3>& p, double x, double y) {
  const double energy = std::sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
  const Frame frame = ToFrame(energy, p[0] / p[2], p[1] / p[2], x, y);
  std::vector<float> input(kInputs);
  for (int i = 0; i < kInputs - 5; ++i) input[i] = G4RandGauss::shoot(0., 1.);
  for (int i = 0; i < 5; ++i)
    input[kInputs - 5 + i] = (frame.numbers[i] - kCenter[i]) / kScale[i];
  const auto window = net.Run(input);
  std::vector<float> cells(kNx * kNy, 0.f);
  double all = 0., inside = 0.;
  for (int a = 0; a < kWu; ++a)
    for (int b = 0; b < kWv; ++b) {
      int ix = kNx / 2 + frame.shift_u + kFirstU + a, iy = kNy / 2 + frame.shift_v + kFirstV + b;
      if (frame.swapped) std::swap(ix, iy);
      const float fraction = window[a * kWv + b];
      all += fraction;
      if (ix < 0 || ix >= kNx || iy < 0 || iy >= kNy) continue;
      inside += fraction;
      if (frame.mirror_x) ix = kNx - 1 - ix;
      if (frame.mirror_y) iy = kNy - 1 - iy;
      cells[ix * kNy + iy] = fraction;
    }
  // what lies outside of the face is given to the cells inside, as in the training
  const double scale = inside > 0. ? energy * 1000. * all / inside : 0.;
  for (float& cell : cells) cell *= scale;
  return cells;
}
"""

_CANONICAL = """
struct Frame {
  double numbers[5];
  int shift_u, shift_v;
  bool mirror_x, mirror_y, swapped;
};

// Mirror, transpose and shift by whole cells until the axis is in the centre (GeV, cm).
inline Frame ToFrame(double energy, double tx, double ty, double x, double y) {
  constexpr double kWidth = $cell, kDepth = $depth, kGrowth = $growth, kMost = $most;
  Frame f{};
  f.mirror_x = tx < 0., f.mirror_y = ty < 0.;
  double u = f.mirror_x ? -x : x, v = f.mirror_y ? -y : y;
  tx = std::abs(tx), ty = std::abs(ty);
  f.swapped = kNx == kNy && ty > tx;
  if (f.swapped) std::swap(tx, ty), std::swap(u, v);
  const double path = (kDepth + kGrowth * std::log(energy)) / std::sqrt(1. + tx * tx + ty * ty);
  u = (u + path * tx) / kWidth + .5 * (kNx % 2);
  v = (v + path * ty) / kWidth + .5 * (kNy % 2);
  f.shift_u = std::clamp(std::floor(u), -kMost, kMost);
  f.shift_v = std::clamp(std::floor(v), -kMost, kMost);
  const double numbers[] = {std::log(energy), tx, ty, u - f.shift_u - .5, v - f.shift_v - .5};
  std::copy(numbers, numbers + 5, f.numbers);
  return f;
}
"""

_PLAIN = """
struct Frame {
  double numbers[5];
  int shift_u = 0, shift_v = 0;
  bool mirror_x = false, mirror_y = false, swapped = false;
};

inline Frame ToFrame(double energy, double tx, double ty, double x, double y) {
  return {{std::log(energy), tx, ty, x, y}};
}
"""

_TAIL = """
class Model : public G4VFastSimulationModel {
 public:
  Model(const G4String& name, G4Region* region, const char* path)
      : G4VFastSimulationModel(name, region), net_(path) {}

  G4bool IsApplicable(const G4ParticleDefinition& particle) override {
    const auto& name = particle.GetParticleName();
    return name == "e-" || name == "e+";  // what the generator was trained on
  }

  G4bool ModelTrigger(const G4FastTrack& track) override {
    return track.GetPrimaryTrackLocalMomentum().z() > 0.;
  }

  void DoIt(const G4FastTrack& track, G4FastStep& step) override {
    step.KillPrimaryTrack();
    step.ProposePrimaryTrackPathLength(0.);
    const auto p = track.GetPrimaryTrackLocalMomentum() / GeV;
    const auto r = track.GetPrimaryTrackLocalPosition();
    const auto cells = Generate(net_, {p.x(), p.y(), p.z()}, r.x() / cm, r.y() / cm);
    for (int ix = 0; ix < kNx; ++ix)
      for (int iy = 0; iy < kNy; ++iy) {
        const double energy = cells[ix * kNy + iy] * MeV;
        if (energy <= 0.) continue;
        const G4ThreeVector local((ix + .5 - .5 * kNx) * kCell, (iy + .5 - .5 * kNy) * kCell,
                                  r.z() + 12. * cm);
        const auto global = track.GetInverseAffineTransformation()->TransformPoint(local);
        hits_.make(G4FastHit(global, energy), track);
      }
  }

 private:
  Net net_;
  G4FastSimHitMaker hits_;
};

}  // namespace showers
"""


def snippet(about: dict[str, Any]) -> str:
    """Give the C++ source for an exported file with this description."""
    middle = _FULL if about["layout"] == "full" else _PAR04
    values = _values(about)
    values["frame"] = Template(values["frame"]).substitute(values)
    return Template(_HEAD + middle + _TAIL).substitute(values)


def _values(about: dict[str, Any]) -> dict[str, str]:
    geometry, output = about["geometry"], about["output"]
    canonical = geometry["frame"] == "canonical"
    n_outputs = output["shape"][0] * output["shape"][1]
    values = {
        "file": about["file"]["name"],
        "version": about["skhep_anomaly"],
        "input": about["input"]["name"],
        "output": output["name"],
        "nx": geometry["shape"][0],
        "ny": geometry["shape"][1],
        "cell": geometry["cell_cm"] if canonical else 2.02,
        "n_inputs": sum(column["size"] for column in about["input"]["columns"]),
        "n_outputs": n_outputs,
        "center": ", ".join(map(repr, about["conditions"]["center"])),
        "scale": ", ".join(map(repr, about["conditions"]["scale"])),
        "frame": _CANONICAL if canonical else _PLAIN,
    }
    if canonical:
        depth, growth = geometry["depth_cm"]
        values |= {"depth": depth, "growth": growth, "most": float(geometry["max_shift"])}
    if about["layout"] == "par04":
        values["wu"], values["wv"] = output["shape"]
        values["first_u"], values["first_v"] = output["first_cell_from_axis"]
    return {name: str(value) for name, value in values.items()}
