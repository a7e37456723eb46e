"""The safetensors format: agreement with its own library, and files that lie."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from backlit.core.errors import InputError
from backlit.data.tensorfile import metadata_of, read_tensors, replace_file, write_tensors

ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "scalar": np.array(2.5),
    "none": np.zeros((0, 3), np.float32),
    "flags": np.array([True, False, True]),
    "half": np.array([1.5], np.float16),
    "big_endian": np.array([1, 2], dtype=">i4"),
    "with.dots and spaces ä": np.array([np.nan, np.inf, -0.0]),
    **{f"int{bits}": np.array([1, -1]).astype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": np.array([1, 255]).astype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "t.safetensors")


def test_round_trip_of_every_type(file):
    write_tensors(file, ARRAYS, {"note": "é\n\ud800"})
    tensors, metadata = read_tensors(file)
    assert metadata == {"note": "é\n\ud800"}
    assert set(tensors) == set(ARRAYS)
    for name, value in ARRAYS.items():
        assert tensors[name].dtype == value.dtype.newbyteorder("=")
        np.testing.assert_array_equal(tensors[name], value)
        assert tensors[name].flags.writeable


def test_the_format_s_own_library_reads_what_we_write(file):
    write_tensors(file, ARRAYS, {"note": "hello"})
    theirs = safetensors.numpy.load_file(file)
    assert set(theirs) == set(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(theirs[name], value)
    with safetensors.safe_open(file, framework="numpy") as opened:
        assert opened.metadata()["note"] == "hello"


def test_arrays_start_where_their_elements_are_aligned(file):
    write_tensors(file, ARRAYS, {})
    length = int.from_bytes(Path(file).read_bytes()[:8], "little")
    header = json.loads(Path(file).read_bytes()[8 : 8 + length])
    assert length % 8 == 0
    for name, value in ARRAYS.items():
        assert header[name]["data_offsets"][0] % value.dtype.itemsize == 0


def test_what_the_format_s_own_library_writes_has_no_checksum(file):
    safetensors.numpy.save_file({"a": np.zeros(3)}, file, {"format": "x"})
    with pytest.raises(InputError, match="checksum"):
        read_tensors(file)
    safetensors.numpy.save_file({"a": np.zeros(3)}, file)
    with pytest.raises(InputError, match="not a model file of Backlit"):
        read_tensors(file)


def test_types_that_cannot_be_saved(file):
    for value in [np.array([1j]), np.array(["a"]), np.array([None]), np.zeros(1, "M8[s]")]:
        with pytest.raises(InputError, match="'a' is of type"):
            write_tensors(file, {"a": value}, {})
    with pytest.raises(InputError, match="cannot be named"):
        write_tensors(file, {"__metadata__": np.zeros(1)}, {})
    with pytest.raises(InputError, match="more than a model file can hold"):
        write_tensors(file, {"a": np.zeros(1)}, {"info": "," * 600_000})
    with pytest.raises(InputError, match="more than a model file can hold"):
        write_tensors(file, {"a": np.zeros(1)}, {"info": "x" * 9_000_000})
    assert not os.path.exists(file)


def forge(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(shape: list, low: int, high: int, dtype: str = "F32", **more: object) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [low, high], **more}


META = {"__metadata__": {"sha256": "0"}}
BOMB = 10_000
FORGED = {
    "only .* bytes": [b"", b"\x02", b"\x02\0\0\0\0\0\0\0{"],
    "header would take": [forge({}, length=2**63), forge({}, length=2**64 - 1), b"\x89PNG" * 9],
    "more than any model needs": [forge(b" " * (8 * 2**20 + 1))],
    "not text": [forge(b"{\xff\xff}")],
    "not a JSON object": [forge([1, 2]), forge(b"  {}"), forge(b"\0\0\0\0")],
    "not valid JSON": [forge(b"{]"), forge(b'{"a": 1}x'), forge(b'{"a":' + b"1" * 5000 + b"}")],
    "nested too deeply": [forge(b'{"a":' * BOMB), forge(b'{"a":' + b"[" * BOMB)],
    "more than 500,000 values": [forge(b'{"a":[' + b"[]," * 600_000 + b"[]]}")],
    "same key twice": [forge(b'{"__metadata__":{},"__metadata__":{}}')],
    "does not have": [forge(b'{"a": NaN}')],
    "not a model file of Backlit": [
        forge({}),
        forge({"__metadata__": []}),
        forge({"__metadata__": {"a": 1}}),
    ],
    "missing or unknown fields": [
        forge({**META, "a": {}}),
        forge({**META, "a": entry([], 0, 4, x=1)}),
    ],
    "is not an object": [forge({**META, "a": []})],
    "must be one of F64": [
        forge({**META, "a": entry([1], 0, 4, dtype)}, b"0000") for dtype in ("F31", "C64", [])
    ],
    "whole number": [
        forge({**META, "a": entry([-1], 0, 4)}, b"0000"),
        forge({**META, "a": entry([1.0], 0, 4)}, b"0000"),
        forge({**META, "a": entry([True], 0, 4)}, b"0000"),
        forge({**META, "a": entry([10**30], 0, 4)}, b"0000"),
        forge({**META, "a": entry([1], -4, 0)}, b"0000"),
        forge({**META, "a": entry([1], 0, 2**64)}, b"0000"),
    ],
    "dimensions": [forge({**META, "a": entry([1] * 40, 0, 4)}, b"0000")],
    "do not take": [
        forge({**META, "a": entry([2**40, 2**40], 0, 4)}, b"0000"),
        forge({**META, "a": entry([2], 0, 4)}, b"0000"),
        forge({**META, "a": entry([1], 4, 0)}, b"0000"),
        forge({**META, "a": entry([10_000_000_000], 0, 4)}, b"0000"),
    ],
    "impossible shape": [forge({**META, "a": entry([0, 2**50, 2**50], 0, 0)})],
    "is next": [
        forge({**META, "a": entry([1], 0, 4), "b": entry([1], 2, 6)}, b"000000"),
        forge({**META, "a": entry([1], 0, 4), "b": entry([1], 0, 4)}, b"0000"),
        forge({**META, "a": entry([1], 0, 4), "b": entry([1], 8, 12)}, b"0" * 12),
        forge({**META, "a": entry([1], 4, 8)}, b"0" * 8),
    ],
    "has been cut off": [
        forge({**META, "a": entry([10**10], 0, 4 * 10**10)}, b"0000"),
        forge({**META, "a": entry([1], 0, 4)}, b"000"),
    ],
    "goes on for 1 byte after": [forge({**META, "a": entry([1], 0, 4)}, b"00000")],
    "goes on for 9 bytes after": [forge(META, b"0" * 9)],
    "checksum does not match": [forge({**META, "a": entry([1], 0, 4)}, b"0000")],
}


@pytest.mark.parametrize("reason", FORGED)
def test_forged_files_are_refused_with_the_reason(file, reason):
    for content in FORGED[reason]:
        Path(file).write_bytes(content)
        with pytest.raises(InputError, match=reason) as caught:
            read_tensors(file)
        assert len(str(caught.value)) < 400


def test_bytes_added_to_a_good_file_are_told_from_bytes_cut_off(file):
    write_tensors(file, {"a": np.ones(3)}, {})
    whole = Path(file).read_bytes()
    Path(file).write_bytes(whole + b"12")
    with pytest.raises(InputError, match="goes on for 2 bytes after its last array.*\n.*fix: copy"):
        read_tensors(file)
    Path(file).write_bytes(whole[:-2])
    with pytest.raises(InputError, match="holds 22 bytes .* describes 24: it has been cut off"):
        read_tensors(file)


@pytest.mark.parametrize("wrong", [None, 5, ["a"], "a\0b"])
def test_what_names_no_file_is_refused(wrong):
    with pytest.raises(InputError, match="^path is .*; it must be the name of a file"):
        read_tensors(wrong)
    with pytest.raises(InputError, match="^path is .*; it must be the name of a file"):
        write_tensors(wrong, {}, {})


def test_booleans_other_than_0_and_1_are_refused(file, monkeypatch):
    monkeypatch.setattr("backlit.data.tensorfile._checksum", lambda header, blocks: "0")
    Path(file).write_bytes(forge({**META, "a": entry([1], 0, 1, "BOOL")}, b"\x02"))
    with pytest.raises(InputError, match="booleans other than 0 and 1"):
        read_tensors(file)


def test_places_that_are_no_file(tmp_path, not_root):
    with pytest.raises(InputError, match="there is no file"):
        read_tensors(tmp_path / "missing")
    with pytest.raises(InputError, match="is a directory"):
        read_tensors(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_tensors(tmp_path / "pipe")
    with not_root(tmp_path):
        (tmp_path / "closed").write_bytes(b"")
        (tmp_path / "closed").chmod(0)
        with pytest.raises(InputError, match="no permission"):
            read_tensors(tmp_path / "closed")


def test_forged_files_cannot_take_memory(tmp_path):
    """All forged files are read under a limit on the process's memory just above its own use."""
    for i, content in enumerate(c for group in FORGED.values() for c in group):
        (tmp_path / f"{i:03}").write_bytes(content)
    program = """
import resource, sys
from pathlib import Path
from backlit.data.tensorfile import read_tensors
from backlit.core.errors import InputError
own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (own + 200 * 2**20,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_tensors(path)
    except InputError as error:
        assert "cannot be read" not in str(error), error
    else:
        raise SystemExit(f"{path} was accepted")
print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n", done.stderr


def test_new_files_have_the_usual_mode(file):
    for mask, mode in [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)]:
        old = os.umask(mask)
        try:
            replace_file(file, [b"x"])
        finally:
            os.umask(old)
        assert stat.S_IMODE(os.stat(file).st_mode) == mode


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    replace_file(tmp_path / "link", [b"new"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_places_that_cannot_be_written(tmp_path, not_root):
    with pytest.raises(InputError, match="is a directory"):
        replace_file(tmp_path, [b"x"])
    with pytest.raises(InputError, match="cannot be written: No such file"):
        replace_file(tmp_path / "missing" / "file", [b"x"])
    with not_root(tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="cannot be written: Permission denied"):
            replace_file(tmp_path / "file", [b"x"])
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match="cannot be written: File too large"):
            replace_file(tmp_path / "file", [b"x" * 600, b"x" * 600])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_process_killed_in_the_middle_leaves_the_file_as_it_was(tmp_path):
    program = """
import os, signal, sys
from backlit.data.tensorfile import replace_file

def chunks():
    yield b"x" * 1_000_000
    os.kill(os.getpid(), signal.SIGKILL)

replace_file(sys.argv[1], chunks())
"""
    (tmp_path / "file").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "file"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"old"
    (half,) = (path for path in tmp_path.iterdir() if path.name != "file")
    assert half.name.startswith(".file.")
    assert half.name.endswith(".tmp")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_file_as_it_was(tmp_path, monkeypatch, failing, error):
    def fail(*args: object) -> None:
        raise error

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, failing, fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        replace_file(tmp_path / "file", [b"new"])
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_bytes_reach_the_disk_before_the_name_does(tmp_path, monkeypatch):
    """The file is synced before the rename and its folder after it."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append((kind, os.fstat(descriptor).st_size if kind == "file" else None))
        fsync(descriptor)

    def note_replace(source: str, target: str) -> None:
        calls.append(("rename", None))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    replace_file(tmp_path / "file", [b"abc", b"de"])
    assert calls == [("file", 5), ("rename", None), ("folder", None)]


def test_the_texts_of_a_header_alone(file):
    write_tensors(file, ARRAYS, {"note": "é"})
    assert metadata_of(file)["note"] == "é"
    whole = Path(file).read_bytes()
    for length in range(0, 64):  # cut off anywhere in the header: no texts, and no error
        Path(file).write_bytes(whole[:length])
        assert metadata_of(file) == {}
