"""Save and load: equal scores to the last bit, plain words for what cannot be stored."""

from __future__ import annotations

import errno
import json
import os
import sys
import zipfile

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from torch import nn

import skhep_anomaly
from skhep_anomaly import ModelFileError
from skhep_anomaly._atomic import write_atomically
from skhep_anomaly.persistence import load, save


class Encoder(nn.Module):
    """A user's module, at the top of a module as it has to be."""

    def __init__(self, n_in=3):
        super().__init__()
        self.layer = nn.Linear(n_in, 4)

    def forward(self, x):
        return self.layer(x)


def test_scores_are_equal_to_the_last_bit(toy, model, X):
    loaded = load(model)
    assert type(loaded) is type(toy)
    np.testing.assert_array_equal(loaded.score_samples(X), toy.score_samples(X), strict=True)
    assert loaded.score_samples(X).std() > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_and_buffers_keep_their_bits(standins, X, tmp_path, dtype):
    toy = standins.Toy(width=5, dtype=dtype).fit(X)
    toy.net_.module_[2].running_mean += torch.pi
    toy.save(tmp_path / "m")
    stored, loaded = toy.net_.module_.state_dict(), load(tmp_path / "m").net_.module_.state_dict()
    assert list(stored) == list(loaded)
    assert all(torch.equal(stored[k], loaded[k]) for k in stored)
    assert {t.dtype for t in loaded.values()} == {getattr(torch, dtype), torch.int64}


def test_state_and_parameters_come_back(toy, model):
    loaded = load(model)
    assert loaded.get_params() == toy.get_params()
    assert loaded.history_ == [
        {"epoch": 1, "train_loss": 0.30000000000000004, "valid_loss": np.inf}
    ]
    assert type(loaded.offset_) is np.float64
    assert loaded.offset_ == -1.25
    assert loaded.n_features_in_ == 3
    assert loaded._kept == {"seen": 20}
    assert not hasattr(loaded, "_forgotten")


def test_load_is_public_and_the_function_saves_too(toy, tmp_path, X):
    save(toy, str(tmp_path / "m"))
    assert skhep_anomaly.load is load
    assert skhep_anomaly.load(str(tmp_path / "m")).score_samples(X).shape == (20,)


def test_same_model_gives_same_bytes(toy, model, tmp_path):
    toy.save(tmp_path / "again")
    load(model).save(tmp_path / "reloaded")
    assert (tmp_path / "again").read_bytes() == model.read_bytes()
    assert (tmp_path / "reloaded").read_bytes() == model.read_bytes()


def test_any_zip_tool_reads_the_file(model):
    with zipfile.ZipFile(model) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
    assert manifest["format"] == 1
    assert manifest["written_by"] == f"skhep_anomaly {skhep_anomaly.__version__}"
    assert manifest["class"] == "skhep_anomaly.standins.Toy"
    assert manifest["parameters"]["width"] == 4
    assert set(manifest["parts"]) == {"state.json", "weights.safetensors"}


def test_nested_estimators_keep_their_own_weights(standins, X, tmp_path):
    inner = standins.Toy(width=2).fit(X)
    outer = standins.Toy(width=6, detector=inner).fit(X)
    outer.models_ = {0: standins.Toy(width=3).fit(X), 1: standins.Toy(width=4).fit(2 * X)}
    outer.models_[1].net_.module_[0].weight.data.mul_(2)
    outer.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    pairs = [(outer, loaded), (inner, loaded.detector)]
    pairs += [(outer.models_[k], loaded.models_[k]) for k in (0, 1)]
    for stored, again in pairs:
        np.testing.assert_array_equal(stored.score_samples(X), again.score_samples(X))
    assert [again.width for _, again in pairs] == [6, 2, 3, 4]


def test_list_of_nets(standins, X, tmp_path):
    toy = standins.Toy(n_members=3).fit(X)
    toy.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert len(loaded.net_) == 3
    for a, b in zip(toy.net_, loaded.net_, strict=True):
        assert torch.equal(a.module_[0].weight, b.module_[0].weight)


def test_tied_weights(standins, X, tmp_path, monkeypatch):
    def tied(self):
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        return nn.Sequential(first, second).double()

    monkeypatch.setattr(standins.Toy, "_module", tied)
    toy = standins.Toy().fit(X)
    toy.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.net_.module_[1].weight is loaded.net_.module_[0].weight
    np.testing.assert_array_equal(loaded.score_samples(X), toy.score_samples(X))


def test_loaded_nets_are_in_evaluation_mode(toy, model):
    toy.net_.module_.train()
    assert [m.training for m in load(model).net_.module_.modules()] == [False] * 5


def test_loading_leaves_torchs_random_stream_alone(model):
    before = torch.random.get_rng_state()
    load(model)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_missing_parameter_takes_its_default(toy, tmp_path, monkeypatch, standins):
    params = toy.get_params()
    params.pop("callbacks")  # as an older release would have written
    monkeypatch.setattr(toy, "get_params", lambda deep: params, raising=False)
    toy.save(tmp_path / "m")
    assert load(tmp_path / "m").get_params() == {**params, "callbacks": None}


# ------------------------------------------------------------------ device


def test_device_of_the_file_is_replaced(standins, X, tmp_path):
    toy = standins.Toy(detector=standins.Toy(device="cuda:3")).fit(X)
    toy.device = toy.device_ = "cuda:3"
    toy.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert (loaded.device, loaded.device_, loaded.detector.device) == ("cpu",) * 3
    np.testing.assert_array_equal(loaded.score_samples(X), toy.score_samples(X))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_missing_device(model):
    with pytest.raises(ValueError, match="device='cuda' was asked for, but torch sees no CUDA GPU"):
        load(model, device="cuda")
    with pytest.raises(ValueError, match="device='gpu' is not a device"):
        load(model, device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_device_auto(toy, tmp_path):
    toy.device_ = "cuda"
    toy.save(tmp_path / "m")
    loaded = load(tmp_path / "m", device="auto")
    assert (loaded.device, loaded.device_) == ("auto", "cpu")


@pytest.mark.gpu
def test_saved_on_a_gpu_loads_on_the_cpu_and_back(standins, X, tmp_path):
    toy = standins.Toy(device="cuda").fit(X)
    toy.save(tmp_path / "m")
    on_cpu, on_gpu = load(tmp_path / "m"), load(tmp_path / "m", device="cuda")
    assert on_cpu.net_.module_[0].weight.device.type == "cpu"
    assert on_gpu.net_.module_[0].weight.device.type == "cuda"
    for loaded in (on_cpu, on_gpu):
        assert torch.equal(loaded.net_.module_[0].weight.cpu(), toy.net_.module_[0].weight.cpu())


# ---------------------------------------------------------------- versions


def rewritten(path, monkeypatch, toy, **versions):
    from skhep_anomaly.persistence import files

    here = files._versions()
    monkeypatch.setattr(files, "_versions", lambda: {**here, **versions})
    toy.save(path)
    monkeypatch.setattr(files, "_versions", lambda: here)
    return here


def test_other_release_warns_and_gives_equal_scores(toy, tmp_path, monkeypatch, X):
    here = rewritten(tmp_path / "m", monkeypatch, toy, torch="1.13.1")
    with pytest.warns(UserWarning, match="was written with torch '1.13.1'") as caught:
        loaded = load(tmp_path / "m")
    assert f"(here {here['torch']})" in str(caught[0].message)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(loaded.score_samples(X), toy.score_samples(X))


def test_other_bug_fix_release_is_silent(toy, tmp_path, monkeypatch):
    bug_fix = ".".join(torch.__version__.split(".")[:2]) + ".99"
    rewritten(tmp_path / "m", monkeypatch, toy, torch=bug_fix, numpy="1.0", **{"scikit-learn": "1"})
    assert load(tmp_path / "m").width == 4  # a warning would be an error here


def test_newer_format_names_the_version_to_take(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("skhep_anomaly.persistence.files.FORMAT", 2)
    rewritten(tmp_path / "m", monkeypatch, toy, skhep_anomaly="7.3.0")
    with pytest.raises(ModelFileError, match="written by 'skhep_anomaly 7.3.0' in format '2'") as e:
        load(tmp_path / "m")
    assert "reads formats up to 1. Update skhep_anomaly" in str(e.value)


# ------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "params, told",
    [
        (
            {"detector": StandardScaler(with_mean=False)},
            r"detector=StandardScaler\(with_mean=False\)",
        ),
        ({"detector": lambda x: x}, "detector=<function <lambda>"),
        ({"detector": np.sum}, "detector=<function sum"),
        ({"callbacks": [None, print]}, r"callbacks\[1\]=<built-in function print>"),
        ({"width": {"a": object()}}, r"width\['a'\]=<object object"),
        ({"width": np.array([{1}], dtype=object)}, r"width\[0\]={1}"),
        ({"width": np.datetime64("2020-01-01")}, "width=.*2020-01-01.* is a datetime64"),
        ({"width": np.zeros(2, "M8[s]")}, "width=array.* is a ndarray"),
        ({"width": np.ma.masked_array([1.0])}, "width=masked_array.* is a MaskedArray"),
        ({"width": torch.eye(2).to_sparse()}, "width=tensor.* is a Tensor"),
    ],
)
def test_what_cannot_be_stored_is_named(standins, X, tmp_path, params, told):
    toy = standins.Toy().fit(X).set_params(**params)
    with pytest.raises(TypeError, match="Toy cannot be saved: " + told) as error:
        toy.save(tmp_path / "m")
    assert "skops.io.dump" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_local_class_is_named(standins, X, tmp_path):
    class Local(nn.Module):
        pass

    toy = standins.Toy().fit(X)
    for part in (Local, Local()):
        with pytest.raises(TypeError, match="Toy cannot be saved: encoder=.*Local"):
            toy.set_params(encoder=part).save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_foreign_part_of_the_state_is_named(toy, standins, tmp_path):
    toy.scaler_ = StandardScaler()
    with pytest.raises(TypeError, match=r"Toy cannot be saved: scaler_=StandardScaler\(\)"):
        toy.save(tmp_path / "m")
    outer = standins.Bag().fit([toy])
    with pytest.raises(TypeError, match=r"value_\[0\]\.scaler_=StandardScaler\(\)"):
        outer.save(tmp_path / "m")


def test_extra_state_of_a_module_is_named(toy, tmp_path):
    class Talkative(nn.Linear):
        def get_extra_state(self):
            return {"not": "a tensor"}

    toy.net_.module_[0] = Talkative(3, 4)
    with pytest.raises(TypeError, match="Toy cannot be saved: net_.0._extra_state="):
        toy.save(tmp_path / "m")


def test_class_that_is_not_ours(standins, tmp_path):
    with pytest.raises(
        TypeError, match="StandardScaler cannot be saved: it is no public estimator"
    ):
        save(StandardScaler().fit([[1.0]]), tmp_path / "m")
    with pytest.raises(TypeError, match="Hidden cannot be saved: it is no public estimator"):
        hidden = standins.Hidden()
        hidden.fit = hidden.fitted_ = None
        save(hidden, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_unfitted(standins, tmp_path):
    with pytest.raises(NotFittedError, match="This Toy instance is not fitted yet"):
        standins.Toy().save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------- user's modules


def test_module_class(standins, X, tmp_path):
    toy = standins.Toy(encoder=Encoder).fit(X)
    toy.save(tmp_path / "m")
    loaded = load(tmp_path / "m", modules={"Encoder": Encoder})
    assert loaded.encoder is Encoder
    np.testing.assert_array_equal(loaded.score_samples(X), toy.score_samples(X))


def test_module_instance_keeps_its_weights(standins, X, tmp_path):
    encoder = Encoder(5)
    standins.Toy(encoder=encoder).fit(X).save(tmp_path / "m")
    given = Encoder(5)
    for modules in (
        {"Encoder": lambda: Encoder(5)},
        {"encoder": lambda: Encoder(5)},
        {"Encoder": given},
    ):
        loaded = load(tmp_path / "m", modules=modules).encoder
        assert torch.equal(loaded.layer.weight, encoder.layer.weight)
    assert not torch.equal(given.layer.weight, encoder.layer.weight)  # copied, not filled


def test_modules_of_one_class_are_told_apart_by_parameter(standins, tmp_path):
    one, two = nn.Sequential(nn.Linear(1, 2)), nn.Sequential(nn.Linear(3, 4))
    standins.Toy(encoder=one, detector=two).fit(np.zeros((2, 1))).save(tmp_path / "m")
    modules = {
        "encoder": lambda: nn.Sequential(nn.Linear(1, 2)),
        "detector": lambda: nn.Sequential(nn.Linear(3, 4)),
    }
    loaded = load(tmp_path / "m", modules=modules)
    assert torch.equal(loaded.encoder[0].weight, one[0].weight)
    assert torch.equal(loaded.detector[0].weight, two[0].weight)


@pytest.mark.parametrize(
    "modules, told",
    [
        (
            None,
            r"needs the module class 'Encoder' for its parameter 'encoder': load\(path, modules",
        ),
        ({"Other": Encoder}, r"modules has \['Other'\]"),
        (
            {"Encoder": lambda n: Encoder(n)},
            "could not be called without arguments: pass a factory",
        ),
        ({"Encoder": dict}, "gave a dict, not a torch module"),
        (
            {"Encoder": Encoder},
            "(?s)gave a module that the stored weights do not fit: .*layer.weight",
        ),
    ],
)
def test_modules_argument_that_does_not_serve(standins, X, tmp_path, modules, told):
    standins.Toy(encoder=Encoder(5)).fit(X).save(tmp_path / "m")
    with pytest.raises(TypeError, match=told):
        load(tmp_path / "m", modules=modules)


# ----------------------------------------------------------------- the disk


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def half_a_write(monkeypatch):
    """A disk that takes the first bytes and then is full."""
    import builtins

    true_open = builtins.open

    def open_on_full_disk(path, mode="r", *args, **kwargs):
        stream = true_open(path, mode, *args, **kwargs)
        if str(path).endswith(".tmp"):
            true_write, stream = stream.write, _Stream(stream)
            stream.write = lambda data: (true_write(data[:100]), full())
        return stream

    monkeypatch.setattr(builtins, "open", open_on_full_disk)


class _Stream:
    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize("fault", ["write", "fsync", "replace"])
@pytest.mark.parametrize("old", [b"the old file", None])
def test_full_disk(toy, tmp_path, monkeypatch, fault, old):
    path = tmp_path / "m"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        half_a_write(patch) if fault == "write" else patch.setattr(os, fault, full)
        with pytest.raises(OSError, match="No space left on device") as error:
            toy.save(path)
    assert error.value.errno == errno.ENOSPC
    assert [p.name for p in tmp_path.iterdir()] == ([] if old is None else ["m"])
    assert old is None or path.read_bytes() == old


def test_interrupt_leaves_the_old_file(toy, tmp_path, monkeypatch):
    (tmp_path / "m").write_bytes(b"old")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        toy.save(tmp_path / "m")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"m": b"old"}


def test_folder_that_cannot_be_synced(tmp_path, monkeypatch):
    true_fsync, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errors.pop(0), "told by the folder")
        return true_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    errors = [errno.EINVAL]  # a network mount: no such thing, no harm
    write_atomically(tmp_path / "m", b"1")
    assert (tmp_path / "m").read_bytes() == b"1"
    calls.clear()
    errors.append(errno.EIO)
    with pytest.raises(OSError, match="told by the folder"):
        write_atomically(tmp_path / "m", b"2")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_save_replaces_and_follows_links(toy, tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    toy.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert load(tmp_path / "real").width == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_mode_is_that_of_any_new_file(toy, tmp_path):
    toy.save(tmp_path / "m")
    (tmp_path / "other").touch()
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_missing_folder_and_file(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        toy.save(tmp_path / "nowhere" / "m")
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_persistence_imports_no_pickle():
    import skhep_anomaly.persistence as room

    names = [n for n in sys.modules if n.startswith(room.__name__)]
    assert len(names) >= 10
    assert not any("pickle" in vars(sys.modules[name]) for name in names)
