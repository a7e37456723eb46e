"""What the names of some notes stand for: variables, functions, layers, primes.

A line by itself can often be read in two ways: ``f(x)`` is a call or a product, ``dW`` a derivative
or a name, ``x'`` a transpose or a name. The definitions around it decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from backlit.explain.equation.tree import Call, Name, Node

# Functions of the notation by the names people give them; on the right the one they get here.
FUNCTIONS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "exp log log2 log10 log1p expm1 sqrt cbrt abs sign sin cos tan asin acos atan sinh "
            "cosh tanh asinh acosh atanh sigmoid relu leaky_relu elu selu gelu softplus silu "
            "softmax log_softmax logsumexp max min maximum minimum sum mean var std prod inner "
            "outer norm trace det inv diag reshape concatenate where clip square power erf gamma "
            "logit ones zeros eye ones_like zeros_like argmax argmin one_hot heaviside "
            "shape size len cumsum stack hstack vstack expand_dims squeeze ravel swapaxes "
            "broadcast_to nan_to_num vec logaddexp reciprocal floor ceil round isnan "
            "cross_entropy mse log_sigmoid softsign hard_tanh mish"
        ).split()
    },
    "ln": "log",
    "lg": "log10",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "artanh": "atanh",
    "absolute": "abs",
    "fabs": "abs",
    "sgn": "sign",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "sigm": "sigmoid",
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
    "pow": "power",
    "identity": "eye",
    "onehot": "one_hot",
    "flatten": "ravel",
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

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(stem(base) for base in self.variables)

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
        >>> from backlit.explain.equation.tree import Function
        >>> Vocabulary.of(Call(Function("g"), (Name("z"),))).functions
        frozenset({'g'})
        """
        names = [n for node in nodes for n in node.walk() if isinstance(n, Name)]
        calls = [n for node in nodes for n in node.walk() if isinstance(n, Call)]
        functions = {c.function.name for c in calls} - set(FUNCTIONS.values())
        return cls(
            variables=frozenset(n.base for n in names),
            functions=frozenset(functions),
        )
