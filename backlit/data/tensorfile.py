"""Named arrays in one file of the safetensors format, written all or nothing and read warily.

The format: eight bytes with the length of a JSON header, the header (per array its type, shape and
byte range, and a map of texts under ``__metadata__``), then the bytes of all arrays without gaps.
We read and write it ourselves because the usual library neither calls fsync, nor honours the umask,
nor refuses a header that names an array twice.

References
----------
Hugging Face, "Safetensors", format specification,
https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as onp

from backlit.core import settings
from backlit.core.errors import InputError
from backlit.data import schema
from backlit.data.table import Array

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {onp.dtype(dtype): name for name, dtype in _DTYPES.items()}

MOST_HEADER_BYTES = 8 * 2**20
_MOST_DIMENSIONS = 32
_LENGTH = 8  # bytes that say how long the header is
_METADATA = "__metadata__"
_CHECKSUM = "sha256"


class ReplacedWarning(UserWarning):
    """Files that an earlier run wrote were replaced or removed."""


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write named arrays and texts to a file, replacing it whole or not at all.

    Parameters
    ----------
    path : str or path
    tensors : mapping of str to numpy.ndarray
        Floating-point (at most 64 bits), integer or boolean arrays.
    metadata : mapping of str to str
        Kept as it is. The key ``sha256`` is added: the checksum of everything else.

    Raises
    ------
    InputError
        If an array is of another type, or the file cannot be written; then a file that was there
        before is as it was.

    Examples
    --------
    >>> import tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "w.safetensors")
    >>> write_tensors(file, {"W": onp.ones((2, 1))}, {"note": "hello"})
    >>> tensors, metadata = read_tensors(file)
    >>> tensors["W"].shape, metadata
    ((2, 1), {'note': 'hello'})
    """
    # Wide elements first, so that every array starts at a multiple of its element size.
    arrays = {name: onp.asarray(value) for name, value in tensors.items()}
    if _METADATA in arrays:
        raise InputError(f"an array cannot be named {_METADATA}")
    for name, value in arrays.items():
        if value.dtype.newbyteorder("<") not in _NAMES:
            raise InputError(f"the array {name!r} is of type {value.dtype}, which cannot be saved")
    order = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    position = 0
    for name in order:
        value = arrays[name]
        end = position + value.nbytes
        header[name] = {
            "dtype": _NAMES[value.dtype.newbyteorder("<")],
            "shape": list(value.shape),
            "data_offsets": [position, end],
        }
        position = end
    blocks = [_bytes(arrays[name]) for name in order]
    header[_METADATA][_CHECKSUM] = _checksum(header, blocks)
    text = json.dumps(header, separators=(",", ":"))
    encoded = text.encode() + b" " * (-len(text) % 8)
    if len(encoded) > MOST_HEADER_BYTES or schema.count_values(text) > schema.MOST_VALUES:
        raise InputError(
            f"the model's description takes {len(encoded):,} bytes for {len(order):,} arrays, "
            "more than a model file can hold",
            fix="put less into info, or fewer columns into the model",
        )
    replace_file(path, [len(encoded).to_bytes(_LENGTH, "little"), encoded, *blocks])


def _bytes(value: Array) -> memoryview:
    """Return an array's elements in row order, little-endian, as bytes."""
    flat = onp.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(-1)
    return flat.view(onp.uint8).data


def _checksum(header: dict[str, Any], blocks: Iterable[memoryview]) -> str:
    """Return the SHA-256 of the header, but for the checksum in it, and of the arrays."""
    metadata = {key: value for key, value in header[_METADATA].items() if key != _CHECKSUM}
    canonical = json.dumps({**header, _METADATA: metadata}, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode())
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a file that `write_tensors` wrote, trusting nothing in it.

    The header is checked against the size of the file before memory is taken for any array.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    tensors : dict of str to numpy.ndarray
    metadata : dict of str to str

    Raises
    ------
    InputError
        With the reason, if the file cannot be read, is not such a file, or has been damaged.
    """
    name = settings.path(path)
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name} is a directory")
        if not stat.S_ISREG(mode):
            raise InputError(f"{name} is not a regular file")
        with open(name, "rb") as file:
            return _read(file, name)
    except FileNotFoundError:
        raise InputError(f"there is no file {name}") from None
    except PermissionError:
        raise InputError(f"no permission to read {name}") from None
    except (OSError, MemoryError) as error:
        raise InputError(f"{name} cannot be read: {error}") from None


def _read(file: BinaryIO, name: str) -> tuple[dict[str, Array], dict[str, str]]:
    size = os.fstat(file.fileno()).st_size
    if size < _LENGTH + 2:
        raise InputError(f"{name} is not a model file: it has only {size} bytes")
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > size - _LENGTH:
        raise InputError(
            f"{name} is not a model file, or only part of one: its header would take {length:,} "
            f"bytes and the file has {size:,}"
        )
    if length > MOST_HEADER_BYTES:
        raise InputError(f"{name} has a header of {length:,} bytes, more than any model needs")
    where = f"the header of {name}"
    try:
        text = file.read(length).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not a model file: its header is not text") from None
    if not text.startswith("{"):
        raise InputError(f"{name} is not a model file: its header is not a JSON object")
    header = schema.loads(text, where)
    metadata = header.get(_METADATA)
    if not isinstance(metadata, dict) or any(not isinstance(v, str) for v in metadata.values()):
        raise InputError(f"{where} has no map of texts, so this is not a model file of Backlit")
    entries = {
        key: _check_entry(value, f"the array {key!r} in {name}")
        for key, value in header.items()
        if key != _METADATA
    }
    _check_ranges(entries, size - _LENGTH - length, name)
    # Only now is memory taken, and no more than the file is long.
    tensors = {}
    for key, (dtype, shape, _) in sorted(entries.items(), key=lambda item: item[1][2]):
        tensors[key] = onp.empty(shape, dtype)
        block = tensors[key].reshape(-1).view(onp.uint8).data
        if file.readinto(block) != len(block):  # type: ignore[attr-defined]
            raise InputError(f"{name} became shorter while it was read")
    if metadata.get(_CHECKSUM) != _checksum(header, [_bytes(value) for value in tensors.values()]):
        raise InputError(f"{name} has been damaged or changed: its checksum does not match")
    for key, value in tensors.items():
        if value.dtype == bool and bool((value.view(onp.uint8) > 1).any()):
            raise InputError(f"the array {key!r} in {name} holds booleans other than 0 and 1")
    native = {key: value.astype(value.dtype.newbyteorder("="), copy=False)
              for key, value in tensors.items()}  # fmt: skip
    return native, {key: value for key, value in metadata.items() if key != _CHECKSUM}


Entry = tuple["onp.dtype[Any]", tuple[int, ...], tuple[int, int]]


def _check_entry(value: Any, where: str) -> Entry:
    """Return element type, shape and byte range of an array, which must agree."""
    given = schema.fields(value, ["dtype", "shape", "data_offsets"], where)
    dtype = onp.dtype(_DTYPES[schema.choice(given["dtype"], _DTYPES, f"the type of {where}")])
    sizes = schema.items(given["shape"], f"the shape of {where}")
    if len(sizes) > _MOST_DIMENSIONS:
        raise InputError(f"{where} has {len(sizes)} dimensions")
    shape = tuple(schema.whole(size, f"the shape of {where}") for size in sizes)
    ends = schema.items(given["data_offsets"], f"the byte range of {where}")
    if len(ends) != 2:
        raise InputError(f"the byte range of {where} is not a pair")
    low, high = (schema.whole(end, f"the byte range of {where}") for end in ends)
    if high - low != math.prod(shape) * dtype.itemsize:
        raise InputError(
            f"{where} has shape {shape} and type {given['dtype']}, which do not take the "
            f"{high - low:,} bytes it claims"
        )
    # NumPy refuses shapes whose sizes overflow even if one of them is zero.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > 2**62:
        raise InputError(f"{where} has an impossible shape, {shape}")
    return dtype, shape, (low, high)


def _check_ranges(entries: Mapping[str, Entry], size: int, name: str) -> None:
    """Refuse arrays that overlap, leave gaps, or do not end where the file ends."""
    position = 0
    for key, (_, _, (low, high)) in sorted(entries.items(), key=lambda item: item[1][2]):
        if low != position:
            raise InputError(
                f"the array {key!r} in {name} starts at byte {low:,} where {position:,} is next"
            )
        position = high
    if size < position:
        raise InputError(
            f"{name} holds {size:,} bytes of arrays where its header describes {position:,}: it "
            "has been cut off",
            fix="copy or download it again, or save the model again",
        )
    if size > position:
        extra = "1 byte" if size == position + 1 else f"{size - position:,} bytes"
        raise InputError(
            f"{name} goes on for {extra} after its last array: something was added to its end",
            fix="copy or download it again, or save the model again",
        )


def metadata_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the texts in the header of a file, without reading its arrays.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to str
        Empty if this is no such file, or cannot be read.

    Examples
    --------
    >>> metadata_of("no-such-file")
    {}
    """
    try:
        with open(settings.path(path), "rb") as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
            text = file.read(length) if length <= MOST_HEADER_BYTES else b""
        header = schema.loads(text.decode("utf-8"), "the header")
    except (OSError, UnicodeDecodeError, InputError):
        return {}
    found = header.get(_METADATA) if isinstance(header, dict) else None
    texts = found if isinstance(found, dict) else {}
    return {key: value for key, value in texts.items() if isinstance(value, str)}


def replace_file(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file so that it is there whole or, after a failure at any moment, as it was before.

    The bytes go to a temporary file in the same folder, reach the disk, and then take the name in
    one step. A process killed meanwhile can leave a file named ``.<name>.<random>.tmp`` behind.

    Parameters
    ----------
    path : str or path
        A symbolic link stays one; the file it points to is replaced.
    chunks : iterable of bytes

    Raises
    ------
    InputError
        If the file cannot be written, with the reason.

    Examples
    --------
    >>> import tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "note.txt")
    >>> replace_file(file, [b"hello"])
    >>> with open(file) as note:
    ...     note.read()
    'hello'
    """
    final = os.path.realpath(settings.path(path))
    if os.path.isdir(final):
        raise InputError(f"{path} is a directory, so no file can be written there")
    folder, name = os.path.split(final)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        # Mode 0666 less the umask, as for any file a program makes.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise InputError(f"{path} cannot be written: {error.strerror}") from None
        raise
    if os.name != "nt":  # the new name, too, must survive a power cut
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
