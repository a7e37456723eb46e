"""Trees of arrays: nested tuples, lists, dicts, named tuples and registered classes.

A tree is flattened to a list of leaves plus a hashable description of its shape. We keep our own
hundred lines rather than a library because flattening sits on the path of every call and of
``import backlit`` (docs/decisions/0004-own-trees-of-arrays.md).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as onp

from backlit.core.errors import BacklitError

_ndarray = onp.ndarray
Leaf = Any
Tree = Any


class _Registration(NamedTuple):
    flatten: Callable[[Any], tuple[Sequence[str], Sequence[Tree], Any]]
    unflatten: Callable[[Any, Sequence[Tree]], Any]


_registry: dict[type, _Registration] = {}


class TreeDef:
    """The shape of a tree without its leaves; hashable and comparable.

    Attributes
    ----------
    kind : type or None
        Container class, or ``None`` for a leaf.
    names : tuple of str
        Path component of each child.
    children : tuple of TreeDef
        Shapes of the children.
    aux : object
        What a registered class needs besides its children; must be comparable.
    size : int
        Number of leaves below.
    """

    __slots__ = ("aux", "children", "kind", "names", "size")

    def __init__(
        self, kind: type | None, names: tuple[str, ...], children: tuple[TreeDef, ...], aux: Any
    ) -> None:
        self.kind = kind
        self.names = names
        self.children = children
        self.aux = aux
        self.size: int = 1 if kind is None else sum([child.size for child in children])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, TreeDef)
            and self.kind is other.kind
            and self.names == other.names
            and bool(self.aux == other.aux)
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.names, self.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inside = ", ".join(
            f"{name}={child!r}" for name, child in zip(self.names, self.children, strict=True)
        )
        return f"{self.kind.__name__}({inside})"


LEAF = TreeDef(None, (), (), None)
_index_names = tuple(str(i) for i in range(64))


def _names(count: int) -> tuple[str, ...]:
    return _index_names[:count] if count <= 64 else tuple(str(i) for i in range(count))


def register(
    cls: type,
    flatten: Callable[[Any], tuple[Sequence[str], Sequence[Tree], Any]],
    unflatten: Callable[[Any, Sequence[Tree]], Any],
) -> None:
    """Make instances of a class behave as containers of arrays.

    Parameters
    ----------
    cls : type
        The class; subclasses are registered separately.
    flatten : callable
        ``flatten(obj)`` gives child names, children, and whatever else is needed to rebuild
        (comparable with ``==``).
    unflatten : callable
        ``unflatten(aux, children)`` rebuilds the object.

    Examples
    --------
    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> register(Pair, lambda p: (("a", "b"), (p.a, p.b), None), lambda _, kids: Pair(*kids))
    >>> flatten(Pair(1.0, 2.0))[0]
    [1.0, 2.0]
    """
    _registry[cls] = _Registration(flatten, unflatten)


def _sorted_keys(mapping: dict[Any, Tree]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _split(tree: Tree) -> tuple[Sequence[str], Sequence[Tree], Any] | None:
    """Return names, children and aux of a container, or None for a leaf."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return _names(len(tree)), tree, None
    if kind is dict:
        keys = _sorted_keys(tree)
        return tuple(str(key) for key in keys), [tree[key] for key in keys], tuple(keys)
    if tree is None:
        return (), (), None
    registration = _registry.get(kind)
    if registration is not None:
        return registration.flatten(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tree._fields, tree, None
    return None


def _walk(tree: Tree, leaves: list[Leaf]) -> TreeDef:
    parts = _split(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    names, children, aux = parts
    shapes = []
    for child in children:
        # Arrays are most of what is met: spare them the call.
        if type(child) is _ndarray:
            leaves.append(child)
            shapes.append(LEAF)
        else:
            shapes.append(_walk(child, leaves))
    return TreeDef(type(tree), tuple(names), tuple(shapes), aux)


def flatten(tree: Tree) -> tuple[list[Leaf], TreeDef]:
    """Take a tree apart into its leaves, left to right, and its shape.

    Parameters
    ----------
    tree : tree
        Nested tuples, lists, dicts (visited in sorted key order), named tuples, registered
        classes; ``None`` holds no leaf; anything else is a leaf.

    Returns
    -------
    leaves : list
    treedef : TreeDef

    Examples
    --------
    >>> flatten({"b": 2.0, "a": (1.0, None)})
    ([1.0, 2.0], dict(a=tuple(0=*, 1=NoneType()), b=*))
    """
    leaves: list[Leaf] = []
    return leaves, _walk(tree, leaves)


class _Compared:
    """Something that can be compared and not hashed, as a part of a key."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Compared) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return 0


def signature(tree: Tree, leaves: list[Leaf], parts: list[Any]) -> None:
    """Take a tree apart as `flatten` does, and describe it by parts of a key instead.

    Building a `TreeDef` and hashing it takes several times as long, which counts where a tree is
    only to be recognized.

    Parameters
    ----------
    tree : tree
    leaves : list
        Gets the leaves.
    parts : list
        Gets what trees of equal shape have in common; for an array its shape and type, for any
        other leaf nothing but its place.

    Examples
    --------
    >>> leaves, parts = [], []
    >>> signature((onp.zeros((2, 3)), {"a": 2.0}), leaves, parts)
    >>> parts
    [<class 'tuple'>, 2, (2, 3), dtype('float64'), <class 'dict'>, ('a',), *]
    """
    kind = type(tree)
    if kind is tuple or kind is list:
        parts += (kind, len(tree))
        children: Sequence[Tree] = tree
    elif kind is dict:
        keys = _sorted_keys(tree)
        parts += (kind, tuple(keys))
        children = [tree[key] for key in keys]
    elif kind is _ndarray:
        leaves.append(tree)
        parts += (tree.shape, tree.dtype)
        return
    else:
        split = _split(tree)
        if split is None:
            leaves.append(tree)
            parts.append(LEAF)
            return
        names, children, aux = split
        try:
            hash(aux)
        except TypeError:
            aux = _Compared(aux)
        parts += (kind, tuple(names), aux)
    for child in children:
        if type(child) is _ndarray:
            leaves.append(child)
            parts += (child.shape, child.dtype)
        else:
            signature(child, leaves, parts)


def leaves(tree: Tree) -> list[Leaf]:
    """Return the leaves of a tree, left to right, without describing its shape.

    Parameters
    ----------
    tree : tree

    Returns
    -------
    list

    Examples
    --------
    >>> leaves({"b": 2.0, "a": (1.0, None)})
    [1.0, 2.0]
    """
    found: list[Leaf] = []
    _collect(tree, found)
    return found


def _collect(tree: Tree, found: list[Leaf]) -> None:
    parts = _split(tree)
    if parts is None:
        found.append(tree)
    else:
        for child in parts[1]:
            _collect(child, found)


def unflatten(treedef: TreeDef, leaves: Sequence[Leaf]) -> Tree:
    """Put leaves back into the shape that `flatten` returned.

    Parameters
    ----------
    treedef : TreeDef
    leaves : sequence
        Exactly ``treedef.size`` values.

    Returns
    -------
    tree

    Examples
    --------
    >>> leaves, shape = flatten((1, [2, 3]))
    >>> unflatten(shape, [leaf * 10 for leaf in leaves])
    (10, [20, 30])
    """
    if len(leaves) != treedef.size:
        raise BacklitError(f"a tree of {treedef.size} leaves cannot hold {len(leaves)}")
    tree, _ = _build(treedef, leaves, 0)
    return tree


def _build(treedef: TreeDef, leaves: Sequence[Leaf], start: int) -> tuple[Tree, int]:
    kind = treedef.kind
    if kind is None:
        return leaves[start], start + 1
    children = []
    for child in treedef.children:
        if child is LEAF:
            children.append(leaves[start])
            start += 1
        else:
            value, start = _build(child, leaves, start)
            children.append(value)
    if kind is tuple:
        return tuple(children), start
    if kind is list:
        return children, start
    if kind is dict:
        return dict(zip(treedef.aux, children, strict=True)), start
    if kind is type(None):
        return None, start
    registration = _registry.get(kind)
    if registration is not None:
        return registration.unflatten(treedef.aux, children), start
    return kind(*children), start


def map(fn: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply a function to the leaves of one tree, or to matching leaves of several.

    Parameters
    ----------
    fn : callable
    tree, *rest : tree
        All of the same shape.

    Returns
    -------
    tree
        Same shape as `tree`.

    Raises
    ------
    BacklitError
        If the trees differ in shape.

    Examples
    --------
    >>> map(lambda a, b: a + b, {"w": 1, "b": 2}, {"w": 10, "b": 20})
    {'b': 22, 'w': 11}
    """
    leaves, treedef = flatten(tree)
    columns = [leaves]
    for other in rest:
        other_leaves, other_def = flatten(other)
        if other_def != treedef:
            raise BacklitError(f"trees differ in shape: {treedef} and {other_def}")
        columns.append(other_leaves)
    return unflatten(treedef, [fn(*column) for column in zip(*columns, strict=True)])


def flatten_with_paths(tree: Tree) -> tuple[list[tuple[str, Leaf]], TreeDef]:
    """Like `flatten`, each leaf with its dotted path.

    Parameters
    ----------
    tree : tree

    Returns
    -------
    pairs : list of (str, leaf)
        The path of a bare leaf is the empty string.
    treedef : TreeDef

    Examples
    --------
    >>> flatten_with_paths({"layers": [{"W": 1.0}]})[0]
    [('layers.0.W', 1.0)]
    """
    leaves, treedef = flatten(tree)
    return list(zip(paths(treedef), leaves, strict=True)), treedef


def paths(treedef: TreeDef, prefix: str = "") -> list[str]:
    """Return the dotted path of every leaf of a tree shape.

    Parameters
    ----------
    treedef : TreeDef
    prefix : str
        Put before each path.

    Returns
    -------
    list of str

    Examples
    --------
    >>> paths(flatten((1, {"a": 2}))[1], "x")
    ['x.0', 'x.1.a']
    """
    if treedef.kind is None:
        return [prefix]
    found: list[str] = []
    for name, child in zip(treedef.names, treedef.children, strict=True):
        found += paths(child, f"{prefix}.{name}" if prefix else name)
    return found


# The other dictionaries: one keeps the order of its keys, one knows what a missing key holds.
register(
    OrderedDict,
    lambda d: (tuple(str(key) for key in d), list(d.values()), tuple(d)),
    lambda keys, children: OrderedDict(zip(keys, children, strict=True)),
)


def _split_default(d: defaultdict[Any, Tree]) -> tuple[Sequence[str], Sequence[Tree], Any]:
    keys = _sorted_keys(d)
    return tuple(str(k) for k in keys), [d[k] for k in keys], (d.default_factory, tuple(keys))


register(
    defaultdict,
    _split_default,
    lambda aux, children: defaultdict(aux[0], zip(aux[1], children, strict=True)),
)
