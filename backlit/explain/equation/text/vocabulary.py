"""What the names of some notes stand for: variables, functions, layers, primes.

A line by itself can often be read in two ways: ``f(x)`` is a call or a product, ``dW`` a derivative
or a name, ``x'`` a transpose or a name. The definitions around it decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from backlit.explain.equation.tree import Element, Function, Name, Node

# Functions of the notation by the names people give them; on the right the one they get here.
FUNCTIONS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "exp log log2 log10 log1p expm1 sqrt cbrt abs sign square identity step sin cos "
            "tan cot sec csc arcsin arccos arctan sinh cosh tanh sech arcsinh arccosh arctanh "
            "erf erfc Phi sigmoid log_sigmoid softplus relu leaky_relu elu selu gelu silu "
            "mish softsign relu6 hardtanh maximum minimum clip power where sum mean var std "
            "prod max min logsumexp norm softmax log_softmax cumsum outer inner trace det inv "
            "solve diag reshape ravel expand_dims squeeze concatenate stack zeros ones eye "
            "zeros_like ones_like shape size len broadcast_to ceil floor round hstack vstack "
            "swapaxes vec logaddexp logit gamma loggamma digamma trigamma"
        ).split()
    },
    "ln": "log",
    "lg": "log10",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "arsinh": "arcsinh",
    "arcosh": "arccosh",
    "artanh": "arctanh",
    "absolute": "abs",
    "fabs": "abs",
    "sgn": "sign",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "sigm": "sigmoid",
    "logsigmoid": "log_sigmoid",
    "swish": "silu",
    "lrelu": "leaky_relu",
    "leakyrelu": "leaky_relu",
    "logsoftmax": "log_softmax",
    "lse": "logsumexp",
    "amax": "max",
    "amin": "min",
    "average": "mean",
    "avg": "mean",
    "product": "prod",
    "tr": "trace",
    "inverse": "inv",
    "pow": "power",
    "flatten": "ravel",
    "clamp": "clip",
    "reduce_sum": "sum",
    "reduce_mean": "mean",
    "reduce_max": "max",
    "heaviside": "step",
    "hard_tanh": "hardtanh",
    "gammaln": "loggamma",
    "lgamma": "loggamma",
}
# Written as operators in the tree.
OPERATIONS: Mapping[str, str] = {
    "dot": "@",
    "matmul": "@",
    "mm": "@",
    "multiply": "*",
    "mul": "*",
    "add": "+",
    "subtract": "-",
    "sub": "-",
    "divide": "/",
    "true_divide": "/",
    "div": "/",
}
# What a loss is called.
LOSSES = frozenset(["L", "J", "E", "C", "loss", "cost", "ell"])
MODULES = frozenset(["np", "numpy", "jnp", "onp", "torch", "math", "scipy", "special", "linalg"])
KEYWORDS = frozenset(
    "axis keepdims ord ddof dim keepdim dtype alpha order "
    # of loops and branches in derivations (docs/notation.md)
    "carries rows length reverse steps tests result".split()
)
CONSTANTS: Mapping[str, str] = {
    "pi": "pi",
    "inf": "inf",
    "True": "True",
    "False": "False",
    "None": "None",
}


def stem(base: str) -> str:
    """Return a name without the digits at its end.

    Examples
    --------
    >>> stem("Z12"), stem("yhat")
    ('Z', 'yhat')
    """
    return base.rstrip("0123456789") or base


@dataclass(frozen=True)
class Vocabulary:
    r"""What is known of the names in some notes.

    Attributes
    ----------
    variables : frozenset of str
        Bases of names that stand for values; ``y'`` where the prime belongs to the name.
    functions : frozenset of str
        Functions of the student's own: ``g`` of ``A = g(Z)``.
    defined : frozenset of str
        Variables on the left of a definition or in a header.
    layered : frozenset of str
        Names whose plain superscripts are layers, as in ``Z^1 = W^1 X``.
    bracketed : frozenset of str
        Names whose brackets hold a layer, as in ``Z[1] = W[1] @ X``.
    squares : frozenset of str
        Names defined as squares, as in ``\sigma^2 = …``: ``sigma2`` is then one variable.
    arguments : mapping of str to str
        The one variable of each name y that is defined and whose derivative is written y′.
    has_examples : bool
        Whether ``a^{[1](i)}`` stands somewhere: round brackets above hold the number of an example.

    Examples
    --------
    >>> known = Vocabulary(frozenset(["W1", "X"]))
    >>> known.knows("W1"), known.knows("W2"), known.has("W2"), known.knows("P")
    (True, True, False, False)
    """

    variables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    defined: frozenset[str] = frozenset()
    layered: frozenset[str] = frozenset()
    bracketed: frozenset[str] = frozenset()
    squares: frozenset[str] = frozenset()
    arguments: Mapping[str, str] = field(default_factory=dict)
    has_examples: bool = False

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(stem(base.rstrip("'")) for base in self.variables)

    def has(self, base: str) -> bool:
        """Whether exactly this name stands for a value."""
        return base in self.variables

    def knows(self, base: str) -> bool:
        """Whether this name, or the same one with another number, stands for a value."""
        return base in self.variables or stem(base) in self._stems

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known, so that a line has to speak for itself."""
        return not (self.variables or self.functions)

    @classmethod
    def of(cls, *nodes: Node) -> Vocabulary:
        """Return the vocabulary in which `nodes`, printed, are read back as they are.

        Examples
        --------
        >>> from backlit.explain.equation.tree import Call
        >>> Vocabulary.of(Call(Function("g"), (Name("z"),))).functions
        frozenset({'g'})
        """
        found = [n for node in nodes for n in node.walk()]
        names = [n for n in found if isinstance(n, Name)]
        functions = [n for n in found if isinstance(n, Function)]
        layered = {n.base for n in names if n.layer} | {n.name for n in functions if n.layer}
        inside = [part for n in found if isinstance(n, Element) for part in n.operand.walk()]
        counted = {n.base for n in inside if isinstance(n, Name) and n.layer is None}
        return cls(
            variables=frozenset(n.base for n in names),
            functions=frozenset({n.name for n in functions} - set(FUNCTIONS.values())),
            bracketed=frozenset(layered - counted),
            has_examples=any(n.above for n in names),
        )
