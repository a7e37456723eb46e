"""Reads programs that keep values in objects and dictionaries: ``self.dW``, ``grads["W1"]``."""

from __future__ import annotations

import re

from backlit.explain.equation.text import prose

_OBJECT = re.compile(r"(?<![\w.])self\.(?=[A-Za-z_])")
_KEY = re.compile(
    r"(?<![\w.])(?P<name>grads?|gradients|params|parameters|caches?|memory|model|weights)"
    r"\[(?P<q>[\"'])(?P<key>[A-Za-z]\w*)(?P=q)\]"
)
_ANNOTATED = re.compile(
    r"(?P<name>^\s*[A-Za-z_]\w*)\s*:\s*(?:(?:np|jnp|numpy)\.ndarray|float|NDArray(?:\[[^\]=]*\])?|"
    r"(?:torch\.)?Tensor|ArrayLike|Array)\s*(?==)"
)
_CONTINUED = re.compile(r"(?<!\\)\\[ ]*$")


def opened(line: str) -> str:
    """Return a line of a program with the names alone, of the same length.

    Parameters
    ----------
    line : str

    Returns
    -------
    str

    Examples
    --------
    >>> opened("self.dW = X.T @ dz").split(), opened("grads['W1'] = dz").split()
    (['dW', '=', 'X.T', '@', 'dz'], ['dW1', '=', 'dz'])
    >>> opened("dw: np.ndarray = x").split()
    ['dw', '=', 'x']
    """
    if ":" in line:
        line = _ANNOTATED.sub(lambda m: m["name"].ljust(len(m[0])), line)
    if "self." in line:
        line = _OBJECT.sub(_blank, line)
    if "[" in line and not prose.is_unpacking(line.partition("#")[0]):
        line = _KEY.sub(_named, line)
    if line.count("\\") == 1:
        line = _CONTINUED.sub(_blank, line)
    return line


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _named(match: re.Match[str]) -> str:
    """Return the key alone; in a dictionary of gradients W1 is the gradient of W1."""
    key = match["key"]
    if match["name"].startswith("grad") and not key.startswith(("d", "grad")):
        key = "d" + key
    return key.rjust(match.end("key") - match.start()).ljust(len(match[0]))
