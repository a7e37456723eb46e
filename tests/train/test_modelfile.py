"""Model files: what is saved comes back, and nothing else is believed."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit import nn
from backlit.core import tree
from backlit.core.errors import InputError
from backlit.data import Preprocessor, Table
from backlit.data.tensorfile import read_tensors, write_tensors
from backlit.train import modelfile
from backlit.train.modelfile import Saved, describe, load, save


class Own(nn.Module):
    """A model of the user's own."""

    scale: np.ndarray
    inner: nn.MLP
    unit: str = nn.static("metre")

    def __call__(self, x, *, key=None):
        return self.inner(x) * self.scale


TABLE = Table.from_columns({"x": [1.0, 2.0, None], "c": ["a", "b", "a"], "y": [1, 2, 1]})
MODELS = {
    "dense": nn.Dense(3, 2, "tanh", seed=0),
    "mlp": nn.MLP([3, 4, 2], seed=0),
    "double": nn.MLP([3, 2], seed=0, dtype=np.float64),
    "sequential": nn.Sequential(
        nn.Dense(3, 4, "relu", seed=0), nn.Dropout(0.25), "gelu", nn.MLP([4, 2], seed=1)
    ),
    "dict": {"a": np.arange(3), "b": (np.ones((2, 2)), None, [np.float32(1.5), True])},
    "array": np.arange(4.0),
    "layers": [nn.Dense(2, 2, seed=i) for i in range(3)],
}


def same(a: object, b: object) -> bool:
    """Compare trees: same classes and settings, same arrays bit for bit."""
    first, shape = tree.flatten(a)
    second, other = tree.flatten(b)
    return shape == other and all(
        np.asarray(x).dtype == np.asarray(y).dtype
        and np.asarray(x).shape == np.asarray(y).shape
        and np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(first, second, strict=True)
    )


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back_bit_for_bit(file, name):
    save(file, MODELS[name])
    saved = load(file)
    assert same(saved.model, MODELS[name])
    assert repr(saved.model) == repr(tree.map(np.asarray, MODELS[name]))
    assert (saved.preprocessing, saved.info, saved.version) == (None, {}, "0.1.0")


def test_a_loaded_model_computes_the_same(file):
    for name in ("dense", "mlp", "sequential"):
        save(file, MODELS[name])
        x = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
        assert np.asarray(load(file).model(x)).tobytes() == np.asarray(MODELS[name](x)).tobytes()


def test_a_loaded_model_is_a_module_like_any_other(file):
    save(file, MODELS["mlp"])
    model = load(file).model
    changed = dataclasses.replace(model.layers[0], b=np.ones(4, np.float32))
    assert changed.b.sum() == 4
    assert tree.flatten(model)[1] == tree.flatten(MODELS["mlp"])[1]


def test_tensors_are_named_by_path(file):
    save(file, MODELS["mlp"])
    assert sorted(read_tensors(file)[0]) == ["layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b"]


def test_preprocessing_and_info_come_back(file):
    preprocessing = Preprocessor.fit(TABLE, target="y")
    info = {
        "rate": 1e-3,
        "hidden": [64, 32],
        "note": 'é "\ud800"',
        "none": None,
        "deep": {"a": [True]},
    }
    save(file, MODELS["mlp"], preprocessing=preprocessing, info=info)
    saved = load(file)
    assert saved.preprocessing == preprocessing
    assert saved.info == info
    assert (saved.preprocessing.transform(TABLE) == preprocessing.transform(TABLE)).all()
    assert saved.preprocessing.target.labels == (1, 2)


def test_own_classes_need_a_model_to_fill(file):
    model = Own(np.array(2.0), nn.MLP([3, 2], seed=5))
    save(file, model)
    with pytest.raises(InputError, match="class 'Own'.*\n.*like=model"):
        load(file)
    blank = Own(np.array(0.0), nn.MLP([3, 2], seed=6), unit="inch")
    filled = load(file, like=blank).model
    assert same(filled.inner, model.inner)
    assert filled.scale == 2.0
    assert filled.unit == "inch"  # settings are those of the model given
    assert describe(model) == {"own": "Own"}


def test_functions_as_settings_need_a_model_to_fill(file):
    model = nn.Sequential(nn.Dense(2, 2, lambda z: z * z, seed=0))
    save(file, model)
    with pytest.raises(InputError, match="function of your own"):
        load(file)
    assert same(load(file, like=model).model, model)


def test_a_subclass_is_not_taken_for_its_parent(file):
    class Dense(nn.Dense):
        """Of the same name, and not the layer of the library."""

    save(file, Dense(2, 2, seed=0))
    with pytest.raises(InputError, match="class 'Dense'"):
        load(file)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (nn.MLP([3, 4, 4, 2], seed=0), "only one of them has 'layers.2.W'"),
        (nn.MLP([3, 5, 2], seed=0), r"'layers.0.W' has shape \(3, 4\) in the file and \(3, 5\)"),
        (nn.MLP([3, 4, 2], seed=0, dtype=np.float64), "'layers.0.W' is float32 .* float64"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(file, like, message):
    save(file, MODELS["mlp"])
    with pytest.raises(InputError, match=message):
        load(file, like=like)


def test_what_cannot_be_saved(file):
    with pytest.raises(InputError, match="no array"):
        save(file, ())
    with pytest.raises(InputError, match="info cannot be stored"):
        save(file, np.zeros(1), info={"x": object()})
    with pytest.raises(InputError, match="info cannot be stored"):
        save(file, np.zeros(1), info={"x": float("nan")})
    with pytest.raises(InputError, match="same path"):
        save(file, {"a": {"b": np.zeros(1)}, "a.b": np.zeros(1)})
    with pytest.raises(InputError, match="complex128"):
        save(file, np.zeros(1, complex))
    assert not os.path.exists(file)


def test_the_layers_a_file_may_name_are_declared_as_their_classes_are():
    for name, rule in modelfile._LAYERS.items():
        assert rule.kind is getattr(nn, name)
        assert rule.fields == rule.kind._arrays
        assert tuple(rule.settings) == rule.kind._settings


# Forged files: the container is sound and its checksum right, what it describes is not.

DENSE = describe(MODELS["dense"])


def forged(file: str, **changes: object) -> str:
    """Write a model file with some of its metadata replaced; a dict is written as JSON."""
    save(file, MODELS["dense"])
    tensors, metadata = read_tensors(file)
    for key, value in changes.items():
        metadata[key] = value if isinstance(value, str) else json.dumps(value)
    write_tensors(file, tensors, metadata)
    return file


def dense(**changes: object) -> dict:
    return {**DENSE, **changes}


W, B = DENSE["fields"]["W"], DENSE["fields"]["b"]


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (dense(module="os.system"), "must be one of Dense"),
        (dense(module="Module"), "must be one of Dense"),
        (dense(module=["Dense"]), "must be one of Dense"),
        (dense(settings={}), "missing or unknown fields"),
        (dense(settings={"activation": "relu", "rate": 1}), "missing or unknown fields"),
        (dense(settings={"activation": "__import__"}), "cannot be '__import__'"),
        (dense(settings={"activation": {}}), "cannot be {}"),
        (dense(fields={"W": W}), "missing or unknown fields"),
        (dense(fields={"W": {"none": True}, "b": B}), "do not fit together"),
        (dense(fields={"W": W, "b": {**B, "array": [3]}}), r"asks for shape \[3\]"),
        (dense(fields={"W": {**W, "dtype": "float64"}, "b": B}), "type 'float64'"),
        (dense(fields={"W": {"array": None}, "b": B}), "missing or unknown fields"),
        (dense(more=1), "missing or unknown fields"),
        (None, "not a description"),
        ([], "not a description"),
        ({}, "missing or unknown fields"),
        ({"none": True}, "no place for"),
        ({"none": False}, "missing or unknown fields"),
        ({"tuple": {}}, "is not a list"),
        ({"dict": []}, "is not a dict"),
        ({"own": ["x"]}, "is not text"),
        ({"dict": {"W": W}}, "no place for: b"),
        ({"dict": {"W": W, "b": B, "c": B}}, "needs the array 'c'"),
        ({"module": "Dropout", "settings": {"rate": 1.5}, "fields": {}}, "cannot be 1.5"),
        ({"module": "MLP", "settings": {}, "fields": {"layers": {"tuple": []}}}, "do not fit"),
        ({"module": "MLP", "settings": {}, "fields": {"layers": {"dict": {}}}}, "do not fit"),
        (
            {
                "module": "Sequential",
                "settings": {},
                "fields": {"layers": {"tuple": [{"none": True}]}},
            },
            "do not fit",
        ),
        ({"tuple": [{"list": [{"dict": {"x": {"none": True}}}]}]}, "no place for"),
    ],
)
def test_forged_architectures_are_refused(file, architecture, message):
    with pytest.raises(InputError, match=message):
        load(forged(file, architecture=architecture))


def test_layers_whose_sizes_do_not_follow_each_other_are_refused(file):
    layers = (nn.Dense(3, 4, seed=0), nn.Dense(5, 2, seed=0))
    save(file, {"layers": layers})
    tensors, metadata = read_tensors(file)
    fields = json.loads(metadata["architecture"])["dict"]
    metadata["architecture"] = json.dumps({"module": "MLP", "settings": {}, "fields": fields})
    write_tensors(file, tensors, metadata)
    with pytest.raises(InputError, match="no MLP that can be computed"):
        load(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "not a model that Backlit saved"),
        ({"format_version": "2"}, "format version '2'.*\n.*newer"),
        ({"architecture": "{" * 9999}, "not valid JSON"),
        ({"architecture": "[" * 99999}, "nested too deeply"),
        ({"architecture": '{"tuple":[' * 100 + '{"none":true}' + "]}" * 100}, "nested too deeply"),
        ({"architecture": '{"none":true,"none":true}'}, "same key twice"),
        ({"preprocessing": {}}, "preprocessing"),
        ({"preprocessing": "[" * 99999}, "nested too deeply"),
        ({"info": []}, "info"),
        ({"info": "NaN"}, "NaN"),
        ({"more": "1"}, "unknown fields: more"),
    ],
)
def test_forged_metadata_is_refused(file, changes, message):
    with pytest.raises(InputError, match=message):
        load(forged(file, **changes))


def test_other_safetensors_files_are_refused_with_a_reason(file):
    write_tensors(file, {"a": np.zeros(3)}, {})
    with pytest.raises(InputError, match="not a model that Backlit saved"):
        load(file)
    Path(file).write_bytes(b"\x80\x04\x95" + b"pickle" * 20)
    with pytest.raises(InputError, match="not a model file"):
        load(file)


def test_every_cut_is_refused(file):
    save(file, nn.Dense(1, 1, seed=0))
    whole = Path(file).read_bytes()
    for length in range(len(whole)):
        Path(file).write_bytes(whole[:length])
        with pytest.raises(InputError):
            load(file)
    Path(file).write_bytes(whole + b"\0")
    with pytest.raises(InputError):
        load(file)


with tempfile.TemporaryDirectory() as folder:
    _file = os.path.join(folder, "m")
    save(_file, nn.MLP([2, 3, 2], seed=0), preprocessing=Preprocessor.fit(TABLE, target="y"),
         info={"epochs": 20})  # fmt: skip
    GOOD = Path(_file).read_bytes()
    SAVED = load(_file)


def equal(a: Saved, b: Saved) -> bool:
    return (
        same(a.model, b.model)
        and (a.preprocessing, a.info, a.version) == (b.preprocessing, b.info, b.version)
    )  # fmt: skip


changes = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "cut", "insert", "repeat"]),
        # Most of the file is header; the first bytes, its length, deserve as many trials.
        st.one_of(st.integers(0, 16), st.integers(0, len(GOOD) - 1)),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(changes)
def test_damaged_files_are_refused_or_equal(changes):
    data = bytearray(GOOD)
    for how, where, value in changes:
        where = min(where, len(data))
        if how == "set":
            data[where : where + 1] = bytes([value])
        elif how == "flip":
            data[where : where + 1] = bytes(b ^ (1 << value % 8) for b in data[where : where + 1])
        elif how == "cut":
            del data[where : where + 1 + value]
        elif how == "insert":
            data[where:where] = b'{}[]",:0'[value % 8 : value % 8 + 1]
        else:
            data[where:where] = data[where : where + value]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        path.write_bytes(data)
        tracemalloc.start()
        try:
            loaded = load(path)
        except InputError as error:
            assert str(error)
        else:
            assert equal(loaded, SAVED)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < 2_000_000


numbers = st.integers(-1, 5) | st.sampled_from([2**31, 2**53, 2**63, 10**30]) | st.floats()
header_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["layers.0.W", "layers.1.b", "__metadata__"]),
    st.sampled_from([None, "dtype", "shape", "data_offsets", "architecture", "sha256"]),
    header_values,
)
def test_headers_that_lie_are_refused(tensor, key, value):
    length = int.from_bytes(GOOD[:8], "little")
    header = json.loads(GOOD[8 : 8 + length])
    if key is None:
        header[tensor] = value
    else:
        header[tensor][key] = value
    text = json.dumps(header).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        path.write_bytes(len(text).to_bytes(8, "little") + text + GOOD[8 + length :])
        try:
            load(path)
        except InputError:
            return
    assert header == json.loads(GOOD[8 : 8 + length])  # the lie happened to be the truth


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["architecture", "preprocessing", "info"]), header_values)
def test_metadata_of_any_json_is_refused_or_loaded(key, value):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m")
        Path(path).write_bytes(GOOD)
        tensors, metadata = read_tensors(path)
        write_tensors(path, tensors, {**metadata, key: json.dumps(value)})
        try:
            loaded = load(path)
        except InputError:
            return
        assert key == "info" or value is None
        assert same(loaded.model, SAVED.model)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_process_killed_before_a_step_leaves_the_file_as_it_was(file, step):
    program = f"""
import os, signal, sys
import numpy as np
from backlit.train.modelfile import save
os.{step} = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
save(sys.argv[1], {{"w": np.ones(3)}})
"""
    save(file, {"w": np.zeros(500_000)})
    done = subprocess.run([sys.executable, "-c", program, file], check=False)
    assert done.returncode == -signal.SIGKILL
    assert load(file).model["w"].sum() == 0
    save(file, {"w": np.ones(2)})  # what the killed process left behind is not in the way
    assert load(file).model["w"].sum() == 2


def test_a_process_killed_at_any_moment_leaves_a_whole_file(file):
    program = """
import sys
import numpy as np
from backlit.train.modelfile import save
print("ready", flush=True)
generation = 0
while True:
    generation += 1
    save(sys.argv[1], {"w": np.full(500_000, generation, np.float32)}, info={"at": generation})
"""
    save(file, {"w": np.zeros(500_000, np.float32)}, info={"at": 0})
    for moment in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", program, file], stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.004 * moment)
            writer.kill()
        saved = load(file)
        assert (saved.model["w"] == saved.info["at"]).all()
