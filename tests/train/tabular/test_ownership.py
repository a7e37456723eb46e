"""Files of the user's are neither replaced nor removed, and files of ours are."""

from __future__ import annotations

import json

import numpy as onp
import pytest

from backlit import nn
from backlit.core.errors import InputError
from backlit.data import ReplacedWarning, Table
from backlit.data.tensorfile import write_tensors
from backlit.train import save
from backlit.train.tabular import demo, train
from backlit.train.tabular.ownership import info_of, is_model, is_report, require_ours

NAMES = [
    "model.safetensors",
    "report.html",
    "before-failure-model.safetensors",
    "interrupted-model.safetensors",
]
TABLE = Table.from_columns({"x": list(range(40)), "y": ["low"] * 20 + ["high"] * 20})


def foreign(path):
    """Write something of the user's, of the kind the name says."""
    if path.suffix == ".safetensors":
        write_tensors(path, {"w": onp.ones(3)}, {"format": "pt"})
    else:
        path.write_text("<!doctype html><title>Report</title><p>Mine.")
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("report", [True, False])
def test_training_refuses_before_it_reads_the_table(tmp_path, name, report):
    before = foreign(tmp_path / name)
    with pytest.raises(InputError) as caught:
        train("no-such-table.csv", "y", out=tmp_path, report=report)
    assert caught.value.what == (
        f"{tmp_path / name} is not a file that Backlit wrote, and would be replaced"
    )
    assert "--out" in caught.value.fix
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["digits.csv", "held-out.csv"])
@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", b"\xff\xfe", None])
def test_the_demo_refuses(tmp_path, name, content):
    if content is None:  # a table of the demo's that the user has changed
        demo(out=tmp_path, epochs=1, report=False, progress=False)
        text = (tmp_path / name).read_text()
        content = text.replace("digit\n", "digit\n" + "99," * 64 + "3\n")
        assert content != text
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name} is not a file that Backlit wrote"):
        demo(out=tmp_path, epochs=1, report=False, progress=False)
    assert (tmp_path / name).read_bytes() == data


def test_the_demo_replaces_its_own(tmp_path):
    demo(out=tmp_path, epochs=1, report=True, progress=False)
    first = (tmp_path / "held-out.csv").read_bytes()
    with pytest.warns(ReplacedWarning, match="replaced the model in .* and its report"):
        demo(out=tmp_path, seed=1, epochs=1, report=True, progress=False)
    assert (tmp_path / "held-out.csv").read_bytes() != first


def test_training_replaces_its_own(tmp_path):
    train(TABLE, "y", out=tmp_path, epochs=1)
    assert is_model(tmp_path / "model.safetensors") and is_report(tmp_path / "report.html")
    assert not is_model(tmp_path / "report.html") and not is_report(tmp_path / "model.safetensors")
    require_ours(tmp_path)
    assert info_of(tmp_path / "model.safetensors")["table"] == "TABLE"
    with pytest.warns(ReplacedWarning, match="and removed its report$"):
        train(TABLE, "y", out=tmp_path, epochs=1, report=False)


def test_what_is_no_model(tmp_path):
    path = tmp_path / "m.safetensors"
    assert not is_model(path) and info_of(path) == {}
    header = json.dumps({"__metadata__": {"format": 3}}).encode()
    for data in (
        b"",
        b"1234567",
        (2**62).to_bytes(8, "little"),
        len(header).to_bytes(8, "little") + header,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"\xff\xff",
        (26).to_bytes(8, "little") + b'{"__metadata__": [1, 2, 3]}',
    ):
        path.write_bytes(data)
        assert not is_model(path)
    save(path, nn.MLP([2, 1], seed=0), info={"a": 1})
    assert is_model(path) and info_of(path) == {"a": 1}
    # A model that was damaged after its header is still one of ours.
    path.write_bytes(path.read_bytes()[:-1])
    assert is_model(path)
    path.unlink()
    path.mkdir()
    assert not is_model(path) and not is_report(path)
