"""The order in which definitions can be computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from backlit.core.errors import InputError
from backlit.explain.equation.tree import Name, Node, Series


def used_names(node: Node, symbol: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the variables in a definition.

    Parameters
    ----------
    node : Node
    symbol : str
        What it defines, for the message.
    known : collection of str
        All variables.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If another name stands in it.
    """
    running = {part.index for part in node.walk() if isinstance(part, Series)}
    names = {part.base: None for part in node.walk() if isinstance(part, Name)}
    for name in names:
        if name not in known and name not in running:
            raise InputError(f"{name}, in the definition of {symbol}, is not defined")
    return tuple(name for name in names if name in known)


def in_order(uses: Mapping[str, Sequence[str]]) -> list[str]:
    """Return definitions so that each comes after those it uses, otherwise as written.

    Parameters
    ----------
    uses : mapping of str to sequence of str
        What each definition uses; what is no definition is left out.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If a variable is defined through itself.

    Examples
    --------
    >>> in_order({"a": ("z",), "z": ("w",)})
    ['z', 'a']
    """
    done: dict[str, None] = {}
    for first in uses:
        waiting = [first]
        within: dict[str, None] = {}
        while waiting:
            symbol = waiting[-1]
            within[symbol] = None
            missing = [s for s in uses[symbol] if s in uses and s not in done]
            for other in missing:
                if other in within:
                    raise InputError(f"{other} is defined through itself, by way of {symbol}")
            if missing:
                waiting.append(missing[0])
            else:
                waiting.pop()
                within.pop(symbol)
                done.setdefault(symbol)
    return list(done)
