"""Header lines written out for every layer, and the dimensions they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from backlit.explain.equation.binding.families import Sizes, instance, instances, number_in
from backlit.explain.equation.binding.letters import Letters
from backlit.explain.equation.binding.names import BindingError, key_and_form
from backlit.explain.equation.text.headers import Dimension, Header
from backlit.explain.equation.tree import Items, Name, Node


def written_headers(headers: Sequence[Header], letters: Letters, sizes: Sizes) -> list[Header]:
    """Write out headers of families, W^{[l]}: (n^{[l]}, n^{[l-1]}), for each layer.

    Parameters
    ----------
    headers : sequence of Header
    letters : Letters
    sizes : Sizes

    Returns
    -------
    list of Header
        Dimensions with a layer number are names: ``n1``.
    """
    found = []
    for header in headers:
        nodes = [d for d in header.dims or () if isinstance(d, Node)]
        for counts, one in instances(Items((header.name, *nodes)), letters, sizes, first=1):
            assert isinstance(one, Items) and isinstance(one.items[0], Name)
            written = iter(one.items[1:])
            dims: list[Dimension] = []
            for dim in header.dims or ():
                made = instance(next(written), letters, counts) if isinstance(dim, Node) else dim
                dims.append("".join(key_and_form(made)[0]) if isinstance(made, Name) else made)
            found.append(
                replace(
                    header, name=one.items[0], dims=None if header.dims is None else tuple(dims)
                )
            )
    return found


def dimension_names(headers: Iterable[Header]) -> list[str]:
    """Return the names of dimensions in header lines, in their order.

    Parameters
    ----------
    headers : iterable of Header
        Written out.

    Returns
    -------
    list of str
    """
    found: dict[str, None] = {}
    for header in headers:
        for dim in header.dims or ():
            if isinstance(dim, str):
                found[dim] = None
            elif isinstance(dim, Node):
                found.update(dict.fromkeys(n.base for n in dim.walk() if isinstance(n, Name)))
    return list(found)


def numbers_of(header: Header, named: Mapping[str, int]) -> tuple[int, ...] | None:
    """Return the dimensions of a header as numbers, or None where it gives none.

    Parameters
    ----------
    header : Header
    named : mapping of str to int

    Returns
    -------
    tuple of int or None

    Raises
    ------
    BindingError
        If one is not known.
    """
    if header.dims is None:
        return None
    counts = {("dimension", name): number for name, number in named.items()}
    found = []
    for dim in header.dims:
        number = dim if isinstance(dim, int) else named.get(dim) if isinstance(dim, str) else None
        if isinstance(dim, Node):
            number = number_in(dim, counts, "dimension")
        if number is None or number < 1:
            raise BindingError("a dimension is a whole number from 1, or a name", header.span)
        found.append(number)
    return tuple(found)


def shape_of_items(node: Items) -> tuple[int, ...]:
    """Return the shape of a written array.

    Parameters
    ----------
    node : Items

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> x = Name("x")
    >>> shape_of_items(Items((Items((x, x, x)), Items((x, x, x)))))
    (2, 3)
    """
    first = node.items[0] if node.items else None
    inner = shape_of_items(first) if isinstance(first, Items) else ()
    return (len(node.items), *inner)
