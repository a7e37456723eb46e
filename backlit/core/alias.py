"""Item assignment on tracers, and what it means for views of the same memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from backlit.core.errors import TracedValueError
from backlit.core.primitive import Params, Primitive
from backlit.core.source import Source
from backlit.core.tape import AbstractTape, Tape
from backlit.core.tracer import NO_PARAMS, Trace, Tracer, live_traces, next_level

# How the array that a view was taken from changes with the view: write(base, new view) → new base.
Write = Callable[[Any, Any], Any]


class View:
    """What a tracer that would share memory in NumPy remembers.

    Attributes
    ----------
    parent : Tracer
        The array that the view was taken from, perhaps a view in turn.
    write : callable or None
        See `Write`; ``None`` where NumPy would sometimes copy, so that assigning is refused.
    """

    __slots__ = ("parent", "write")

    def __init__(self, parent: Tracer, write: Write | None) -> None:
        self.parent = parent
        self.write = write


def note_view(view: Any, base: Any, write: Write | None = None) -> Any:
    """Remember that NumPy's result would share memory with `base`; return the result."""
    if type(view) is Tracer and type(base) is Tracer and view.shape and view is not base:
        _attach(view, View(base, write))
    return view


def _attach(tracer: Tracer, view: View) -> None:
    """Enter a view in the list of its root: the array at the end of the chain of parents."""
    tracer.alias = view
    root = view.parent
    while isinstance(alias := getattr(root, "alias", None), View):
        root = alias.parent
    if alias is None:
        root.alias = []
    root.alias.append(weakref.ref(tracer))


def rebind(tracer: Tracer, new: Any) -> None:
    """Let a tracer stand for a new value after an item assignment.

    NumPy would also change every array that shares its memory. The array that a view was taken
    from is therefore updated with it; other views that are still in use are spoiled (using them
    raises).
    """
    _require_own(tracer)
    alias = getattr(tracer, "alias", None)
    if isinstance(alias, View):
        if alias.write is None:
            raise TracedValueError(
                "assignment into a view of a traced array would not reach the array it views",
                where=Source.here(),
                fix="assign through the array itself, x[i, j] = v, or take a copy first",
            )
        parent = alias.write(alias.parent, new)
        _replace(tracer, new)
        owner = tracer.owner
        rebind(alias.parent, parent)  # spoils this view like the others
        tracer.owner = owner
        _attach(tracer, alias)
        return
    for reference in alias or ():
        view = reference()
        if view is not None:
            view.owner = _Spoiled(Source.here())
    _replace(tracer, new)


def _require_own(tracer: Tracer) -> None:
    """Raise if a branch or body that is traced by shape would change an array from outside it.

    It is traced once (and sometimes twice), however often it runs: the assignment would happen
    that often.
    """
    level = tracer.owner.level
    for trace in live_traces():
        if trace.level <= level or not isinstance(trace, AbstractTape):
            continue
        if tracer.id < trace.before.get(tracer.owner.level, 0):
            raise TracedValueError(
                f"an array made outside ({tracer.aval}) was assigned to inside the body of a loop, "
                "a branch or a function under jit, which is traced once, however often it runs",
                where=Source.here(),
                fix="return the new array from the body, and in a loop carry it; or take a copy "
                "inside the body: b = a.copy()",
            )


def _replace(tracer: Tracer, new: Any) -> None:
    # Tapes hold tracers: what is recorded so far must stay, under another object.
    if tracer.id >= 0:
        owner, old = tracer.owner, _twin(tracer)
        if isinstance(owner, Tape) and owner.records is not None:
            owner.records[tracer.id] = old
        for trace in live_traces():
            if trace.level > owner.level and isinstance(trace, Tape):
                _exchange(trace.records, {id(tracer): old})
    if type(new) is Tracer:
        _copy_slots(new, tracer)
    else:
        tracer.value, tracer.id = new, -1
    tracer.alias = None


def pin(records: Sequence[Tracer]) -> None:
    """Let a record of a finished run keep its operands of outer traces as they are now.

    Its derivative may be asked for after such an array was assigned to.
    """
    twins: dict[int, Tracer] = {}
    for node in records:
        for held in _held(node):
            if type(held) is Tracer and id(held) not in twins:
                twins[id(held)] = _twin(held)
    _exchange(records, twins)


def _held(node: Tracer) -> list[Any]:
    """Return a record's value and operands."""
    found = [node.value]
    for part in (getattr(node, "a", None), getattr(node, "b", None)):
        found += part if type(part) is list else [part]
    return found


def _exchange(records: Sequence[Tracer], twins: dict[int, Tracer]) -> None:
    """Put other tracers in the place of some among the values and operands of records."""
    for node in records:
        if id(node.value) in twins:
            node.value = twins[id(node.value)]
        for name in ("a", "b"):
            held = getattr(node, name, None)
            if type(held) is list:
                held[:] = [twins.get(id(part), part) for part in held]
            elif id(held) in twins:
                setattr(node, name, twins[id(held)])


def _twin(tracer: Tracer) -> Tracer:
    out = Tracer.__new__(Tracer)
    _copy_slots(tracer, out)
    return out


def _copy_slots(source: Tracer, target: Tracer) -> None:
    for name in Tracer.__slots__:
        if name != "__weakref__" and hasattr(source, name):
            setattr(target, name, getattr(source, name))


class _Spoiled(Trace):
    """Where views go whose base was assigned to afterwards."""

    def __init__(self, where: Source | None) -> None:
        self.level = next_level()
        self.where = where

    def process(self, primitive: Primitive, args: Sequence[Any], params: Params) -> Any:
        """Refuse any use."""
        raise TracedValueError(
            f"this array is a view of one that was assigned to at {self.where}; "
            "NumPy would show the new values here",
            where=Source.here(),
            fix="take the view again after the assignment, or copy it before",
        )

    def leaked(self, tracer: Tracer) -> None:
        """Refuse any use."""
        self.process(None, (), NO_PARAMS)  # type: ignore[arg-type]

    def concretise(self, tracer: Tracer, what: str, kind: Callable[[Any], Any]) -> Any:
        """Refuse any use."""
        return self.process(None, (), NO_PARAMS)  # type: ignore[arg-type]
