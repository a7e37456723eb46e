"""Save and load a model: weights, architecture and preprocessing in one file without code.

The architecture is stored as JSON that names layers of `backlit.nn` and their settings. Loading
builds only those: nothing in a file is ever imported or executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as onp

from backlit import nn
from backlit.core import tree
from backlit.core.errors import InputError
from backlit.data import schema
from backlit.data.preprocess import Preprocessor
from backlit.data.tensorfile import read_tensors, write_tensors

FORMAT = "backlit-model"
FORMAT_VERSION = 1

_Array = onp.ndarray[Any, Any]
_MOST_DEPTH = 64


@dataclass(frozen=True, eq=False)
class Saved:
    """What a model file holds.

    Parameters
    ----------
    model : tree of arrays
        Usually a `backlit.nn` module.
    preprocessing : Preprocessor or None
        Turns tables into the model's inputs.
    info : dict
        What else the writer noted: settings, figures.
    version : str
        Version of Backlit that wrote the file.
    """

    model: Any
    preprocessing: Preprocessor | None
    info: dict[str, Any]
    version: str


def save(
    path: str | os.PathLike[str],
    model: Any,
    *,
    preprocessing: Preprocessor | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a model to one file in the safetensors format, all or nothing.

    Parameters
    ----------
    path : str or path
        Usually ending in ``.safetensors``.
    model : tree of arrays
        Layers of `backlit.nn`, tuples, lists and dicts of them are rebuilt by `load` from the file
        alone. A model with classes of your own can be saved too; `load` then needs a model to fill.
    preprocessing : Preprocessor, optional
        How tables become the model's inputs.
    info : mapping, optional
        Settings and figures worth keeping; anything JSON can hold.

    Raises
    ------
    InputError
        If the model holds no array, `info` does not fit into JSON, or the file cannot be written;
        then a file that was there before is as it was.

    Examples
    --------
    >>> import tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save(file, nn.MLP([4, 3, 2], seed=0), info={"epochs": 20})
    >>> saved = load(file)
    >>> saved.model.sizes, saved.info
    ((4, 3, 2), {'epochs': 20})
    """
    import backlit

    pairs, _ = tree.flatten_with_paths(model)
    if not pairs:
        raise InputError("the model holds no array, so there is nothing to save")
    names = [name or "value" for name, _ in pairs]
    if len(set(names)) != len(names):
        raise InputError(
            "two arrays of the model have the same path",
            fix="use dict keys that differ as text and hold no '.'",
        )
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "backlit_version": str(getattr(backlit, "__version__", "unknown")),
        "architecture": _dumps(describe(model), "the architecture"),
        "preprocessing": _dumps(preprocessing and preprocessing.to_dict(), "the preprocessing"),
        "info": _dumps(dict(info or {}), "info"),
    }
    leaves = [onp.asarray(leaf) for _, leaf in pairs]
    write_tensors(path, dict(zip(names, leaves, strict=True)), metadata)


def load(path: str | os.PathLike[str], *, like: Any = None) -> Saved:
    """Read a model from a file, trusting nothing in it.

    Parameters
    ----------
    path : str or path
    like : tree of arrays, optional
        A model of the same classes and shapes whose arrays are replaced by those of the file.
        Needed if the model has classes of your own, for a file cannot name code to run.

    Returns
    -------
    Saved

    Raises
    ------
    InputError
        With the reason, if the file is not a model file, has been damaged, comes from a newer
        version, or does not fit `like`.

    Examples
    --------
    >>> import tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
    >>> save(file, {"w": onp.arange(3.0)})
    >>> load(file).model
    {'w': array([0., 1., 2.])}
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is a safetensors file, but not a model that Backlit saved")
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise InputError(
            f"{path} has format version {metadata.get('format_version')!r:.20}; "
            f"this Backlit reads version {FORMAT_VERSION}",
            fix="use the version of Backlit that wrote it, or a newer one",
        )
    keys = ("architecture", "preprocessing", "info", "backlit_version", "format", "format_version")
    schema.fields(metadata, keys, f"the metadata of {path}")
    parsed = {
        key: schema.loads(metadata[key], f"the {key} in {path}")
        for key in ("architecture", "preprocessing", "info")
    }
    if not isinstance(parsed["info"], dict):
        raise InputError(f"the info in {path} is not an object")
    stored = parsed["preprocessing"]
    preprocessing = None if stored is None else Preprocessor.from_dict(stored)
    if like is not None:
        model = _fill(like, tensors, str(path))
    else:
        unused = dict(tensors)
        model = _build(parsed["architecture"], unused, "", _MOST_DEPTH)
        if unused:
            raise InputError(f"{path} holds arrays the model has no place for: {sorted(unused)[0]}")
    return Saved(model, preprocessing, parsed["info"], metadata["backlit_version"])


def _dumps(value: Any, what: str) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be stored as JSON: {error}") from None


# From a model to its description. A description is one of
#   {"array": [shape…], "dtype": name}          an array, stored under its path
#   {"tuple": […]}, {"list": […]}, {"dict": {…}}, {"none": true}
#   {"module": class, "settings": {…}, "fields": {…}}   a layer of backlit.nn
#   {"own": class}                                      a class of the user's, not rebuilt from here


def describe(model: Any) -> dict[str, Any]:
    """Return the architecture of a model as JSON can hold it.

    Parameters
    ----------
    model : tree of arrays

    Returns
    -------
    dict

    Examples
    --------
    >>> describe({"w": onp.zeros(3, "float32")})
    {'dict': {'w': {'array': [3], 'dtype': 'float32'}}}
    """
    if model is None:
        return {"none": True}
    if type(model) is tuple or type(model) is list:
        return {type(model).__name__: [describe(child) for child in model]}
    if type(model) is dict and all(isinstance(key, str) and "." not in key for key in model):
        return {"dict": {key: describe(child) for key, child in model.items()}}
    name = type(model).__name__
    rule = _LAYERS.get(name)
    if rule is not None and type(model) is rule.kind:
        settings = {key: getattr(model, key) for key in rule.settings}
        if all(check(value) for check, value in zip(
                rule.settings.values(), settings.values(), strict=True)):  # fmt: skip
            fields = {key: describe(getattr(model, key)) for key in rule.fields}
            return {"module": name, "settings": settings, "fields": fields}
        return {"own": name}
    if len(tree.flatten(model)[0]) == 1 and tree.flatten(model)[0][0] is model:
        array = onp.asarray(model)
        return {"array": list(array.shape), "dtype": array.dtype.name}
    return {"own": name}


def _is_activation(value: Any) -> bool:
    return isinstance(value, str) and value in nn.ACTIVATIONS


def _is_rate(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value < 1


def _dense_fits(fields: dict[str, Any]) -> bool:
    W, b = fields["W"], fields["b"]
    arrays = isinstance(W, onp.ndarray) and isinstance(b, onp.ndarray)
    return arrays and W.ndim == 2 and b.shape == W.shape[1:] and W.dtype.kind == b.dtype.kind == "f"


def _mlp_fits(fields: dict[str, Any]) -> bool:
    layers = fields["layers"]
    if not isinstance(layers, tuple) or not layers:
        return False
    if any(type(layer) is not nn.Dense for layer in layers):
        return False
    return all(a.W.shape[1] == b.W.shape[0] for a, b in zip(layers, layers[1:], strict=False))


def _sequential_fits(fields: dict[str, Any]) -> bool:
    layers = fields["layers"]
    known = isinstance(layers, tuple) and len(layers) > 0
    return known and all(type(layer).__name__ in _LAYERS for layer in layers)


@dataclass(frozen=True)
class _Layer:
    """What a description may say about one class of `backlit.nn`.

    The order of settings and fields is that of the class's own declaration.
    """

    kind: type[nn.Module]
    settings: Mapping[str, Callable[[Any], bool]]
    fields: tuple[str, ...] = ()
    fits: Callable[[dict[str, Any]], bool] = lambda fields: True


_LAYERS = {
    "Dense": _Layer(nn.Dense, {"activation": _is_activation}, ("W", "b"), _dense_fits),
    "MLP": _Layer(nn.MLP, {}, ("layers",), _mlp_fits),
    "Sequential": _Layer(nn.Sequential, {}, ("layers",), _sequential_fits),
    "Activate": _Layer(nn.Activate, {"activation": _is_activation}),
    "Dropout": _Layer(nn.Dropout, {"rate": _is_rate}),
}


def _build(node: Any, tensors: dict[str, _Array], path: str, depth: int) -> Any:
    """Rebuild what a description says, taking its arrays out of `tensors`."""
    here = f"the architecture at {path or 'its top'}"
    if not isinstance(node, dict) or depth == 0:
        raise InputError(f"{here} is not a description, or is nested too deeply")
    if "array" in node:
        return _take(node, tensors, path or "value", here)
    if "module" in node:
        return _build_layer(node, tensors, path, depth)
    if "own" in node:
        name = schema.text(schema.fields(node, ["own"], here)["own"], here)
        raise InputError(
            f"the model has a part of the class {name[:80]!r}, or with a function of your own, "
            "which a file cannot hold",
            fix="build such a model and pass it: load(path, like=model)",
        )
    if node == {"none": True}:
        return None
    for kind in (tuple, list):
        if set(node) == {kind.__name__}:
            children = schema.items(node[kind.__name__], here)
            return kind(
                _build(child, tensors, f"{path}.{i}" if path else str(i), depth - 1)
                for i, child in enumerate(children)
            )
    children = schema.fields(node, ["dict"], here)["dict"]
    if not isinstance(children, dict):
        raise InputError(f"{here} is not a dict")
    return {
        key: _build(child, tensors, f"{path}.{key}" if path else key, depth - 1)
        for key, child in children.items()
    }


def _build_layer(node: dict[str, Any], tensors: dict[str, _Array], path: str, depth: int) -> Any:
    here = f"the architecture at {path or 'its top'}"
    given = schema.fields(node, ["module", "settings", "fields"], here)
    name = schema.choice(given["module"], _LAYERS, f"the class of {here}")
    rule = _LAYERS[name]
    settings = schema.fields(given["settings"], rule.settings, f"the settings of {here}")
    for key, check in rule.settings.items():
        if not check(settings[key]):
            raise InputError(f"the setting {key!r} of {here} cannot be {settings[key]!r:.60}")
    described = schema.fields(given["fields"], rule.fields, f"the fields of {here}")
    fields = {
        key: _build(child, tensors, f"{path}.{key}" if path else key, depth - 1)
        for key, child in described.items()
    }
    if not rule.fits(fields):
        raise InputError(f"{here} is no {name} that can be computed: its parts do not fit together")
    flat = [tree.flatten(fields[key]) for key in rule.fields]
    shapes = tuple(shape for _, shape in flat)
    setting_values = tuple(settings[key] for key in rule.settings)
    shape = tree.TreeDef(rule.kind, rule.fields, shapes, setting_values)
    return tree.unflatten(shape, [leaf for leaves, _ in flat for leaf in leaves])


def _take(node: dict[str, Any], tensors: dict[str, _Array], name: str, here: str) -> _Array:
    given = schema.fields(node, ["array", "dtype"], here)
    value = tensors.pop(name, None)
    if value is None:
        raise InputError(f"{here} needs the array {name!r}, which the file does not hold")
    if list(value.shape) != given["array"] or value.dtype.name != given["dtype"]:
        raise InputError(
            f"{here} asks for shape {given['array']!r:.80} and type {given['dtype']!r:.20}; "
            f"the array {name!r} has {list(value.shape)} and {value.dtype.name}"
        )
    return value


def _fill(like: Any, tensors: dict[str, _Array], path: str) -> Any:
    """Return `like` with its arrays replaced by those of the file."""
    pairs, shape = tree.flatten_with_paths(like)
    names = [name or "value" for name, _ in pairs]
    if set(names) != set(tensors):
        wrong = sorted(set(names) ^ set(tensors))
        raise InputError(
            f"{path} does not fit the model given as like: only one of them has {wrong[0]!r}"
        )
    for name, (_, leaf) in zip(names, pairs, strict=True):
        if onp.shape(leaf) != tensors[name].shape:
            raise InputError(
                f"{path} does not fit the model given as like: {name!r} has shape "
                f"{tensors[name].shape} in the file and {onp.shape(leaf)} in the model"
            )
        wanted, found = onp.asarray(leaf).dtype, tensors[name].dtype
        if wanted != found:
            raise InputError(
                f"{path} does not fit the model given as like: {name!r} is {found} in the file "
                f"and {wanted} in the model"
            )
    return tree.unflatten(shape, [tensors[name] for name in names])
