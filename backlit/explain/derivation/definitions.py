"""What the notation of every primitive means, in one line each; docs/notation.md is made of it."""

from __future__ import annotations

from backlit.explain.derivation.expression import ONE_HOT, OUTER, SERIES, SLOPE
from backlit.explain.derivation.pieces import FUNCTIONS

DEFINITIONS: dict[str, str] = {
    "add": "sum, element by element",
    "subtract": "difference, element by element",
    "multiply": "product, element by element; of a number and an array written side by side",
    "divide": "quotient, element by element",
    "negative": "every element with the other sign",
    "positive": "the operand itself",
    "reciprocal": "1 over every element",
    "square": "every element squared",
    "absolute": "absolute value",
    "remainder": "x − y ⌊x / y⌋: of the sign of y",
    "power": "every element to the power of the other",
    "integer_power": "every element to a fixed whole power",
    "exp": "eˣ",
    "exp2": "2 to the power of every element",
    "expm1": "eˣ − 1",
    "log": "natural logarithm",
    "log2": "logarithm to base 2",
    "log10": "logarithm to base 10",
    "log1p": "log(1 + x)",
    "sqrt": "square root",
    "cbrt": "cube root, of the sign of x",
    "logaddexp": "log(eˣ + eʸ)",
    "sin": "sine",
    "cos": "cosine",
    "tan": "tangent",
    "arcsin": "inverse sine",
    "arccos": "inverse cosine",
    "arctan": "inverse tangent",
    "arctan2": "angle of the point (y, x), in (−π, π]; the first argument is the height",
    "hypot": "length of the vector (x, y)",
    "sinh": "hyperbolic sine",
    "cosh": "hyperbolic cosine",
    "tanh": "hyperbolic tangent",
    "arcsinh": "inverse hyperbolic sine",
    "arccosh": "inverse hyperbolic cosine",
    "arctanh": "inverse hyperbolic tangent",
    "sigmoid": "1 / (1 + e⁻ˣ)",
    "softplus": "log(1 + eˣ)",
    "log_sigmoid": "−log(1 + e⁻ˣ)",
    "erf": "error function: 2/√π times the integral of e^(−t²) from 0 to x",
    "erfc": "1 − erf x",
    "relu": "x where x > 0, otherwise 0",
    "maximum": "the larger of two numbers",
    "minimum": "the smaller of two numbers",
    "clip": "the number in [low, high] that is nearest to x",
    "greater": "1 where it holds, 0 elsewhere",
    "greater_equal": "1 where it holds, 0 elsewhere",
    "less": "1 where it holds, 0 elsewhere",
    "less_equal": "1 where it holds, 0 elsewhere",
    "equal": "1 where it holds, 0 elsewhere",
    "not_equal": "1 where it holds, 0 elsewhere",
    "logical_and": "1 where neither is 0: the product of two conditions",
    "logical_or": "1 where one at least is not 0: the larger of two conditions",
    "logical_xor": "1 where two conditions differ",
    "logical_not": "1 where x is 0",
    "bitwise_and": "and, bit by bit, of whole numbers",
    "bitwise_or": "or, bit by bit, of whole numbers",
    "bitwise_xor": "exclusive or, bit by bit, of whole numbers",
    "invert": "−1 − x: every bit of a whole number turned over",
    "floor_divide": "⌊x / y⌋",
    "floor": "the largest whole number not above x",
    "ceil": "the smallest whole number not below x",
    "trunc": "x without its fraction",
    "rint": "the nearest whole number, of two the even one",
    "sign": "−1, 0 or 1",
    "isnan": "1 where x is no number",
    "isinf": "1 where x is infinite",
    "isfinite": "1 where x is a finite number",
    "stop_gradient": "x; held fixed in every derivative",
    "where": "x where c is not 0, y elsewhere",
    "astype": "the operand itself: conversions between types of number are not written",
    "reshape": "the elements in the same order in another shape (rows first)",
    "transpose": "transpose; other orders are permute(x, p): axis k of the result is axis p[k]",
    "broadcast_to": "x repeated to a shape as NumPy broadcasts it; of a number, times ones(shape)",
    "flip": "the elements along an axis in opposite order",
    "concatenate": "arrays one after the other along an axis",
    "pad": "x with zeros around it: how many before and after, axis by axis",
    "getitem": "elements by place, counted from 0, as in NumPy",
    "scatter_add": "zeros(shape), to whose elements p[k] (in order of rows) every g[k] is added; "
    "places(shape) is the array of these numbers, 0, 1, 2, …",
    "last_writes": "1 at every k whose p[k] does not come again later, 0 elsewhere",
    "index_set": "x with v[k] in place of element p[k] (in order of rows); where a place comes "
    "twice the last value stays",
    "count_nonzero": "how many elements are not 0",
    "max": "largest element along axes",
    "min": "smallest element along axes",
    "argmax": "place of the largest element along an axis, of several the first",
    "argmin": "place of the smallest element along an axis, of several the first",
    "all": "1 if no element along the axes is 0",
    "any": "1 if some element along the axes is not 0",
    "cumsum": "element k is the sum of elements 0 to k along an axis",
    "cumprod": "element k is the product of elements 0 to k along an axis",
    "prod": "product of the elements along axes; without an axis of all",
    "sum": "sum of the elements along axes; without an axis of all",
    "root_of_variance": "square root, with derivative 0 at 0",
    "einsum": "Σ x[left] y[right] over every label that is not among those of the result; the "
    "three tuples label the axes of x, of y and of the result",
    "diagonal_of": "elements of x whose places along axes of the same label are equal; the tuples "
    "label the axes of x and of the result",
    "matmul": "matrix product; vectors and stacks of matrices as in NumPy's @",
    "random_bits": "words of Philox-4x32-10 under a key of two words, block after block of the "
    "counter (0, 0, 0, 0), (1, 0, 0, 0), …",
    "random_fold_in": "the first two words of Philox-4x32-10 at the counter (n mod 2³², n div 2³², "
    "0, 1): a new key",
    "logsumexp": "log Σ eˣ along axes",
    "softmax": "eˣ / Σ eˣ along axes",
    "log_softmax": "x − log Σ eˣ along axes",
    "scan": "a loop: f takes the carries, one row of each of the next arrays, and the rest, and "
    "returns the new carries and what is collected; `result` says which of the last carries or "
    "collections is meant",
    "cond": "f2 of the other operands if the first is 1, f1 of them if it is 0; `result` says "
    "which of the values is meant",
    "while_loop": "a loop: as long as the second function of the values gives 1, the first gives "
    "the next values; the first operands belong to the two functions",
    "call": "what a compiled function computes is written out in its place",
}
FORMS: dict[str, str] = {
    OUTER: "outer product of two vectors: element (i, j) is x_i y_j",
    ONE_HOT: "a row for every label: 1 at its place, 0 elsewhere",
    SLOPE: "derivative of a function of one number",
    "delta": "Kronecker's delta: 1 where the two indices are the same, 0 elsewhere",
    SERIES: "sum over an index; without bounds over all there is",
}
"""What the forms mean that derivations add to the primitives."""
_WITHOUT_SIGN = (
    "bitwise_and bitwise_or bitwise_xor invert broadcast_to flip pad scatter_add last_writes "
    "index_set einsum random_bits random_fold_in scan cond while_loop stop_gradient remainder"
)
NAMED: dict[str, str] = {
    "onehot": FORMS[ONE_HOT],
    "permute": DEFINITIONS["transpose"],
    "diagonal": DEFINITIONS["diagonal_of"],
    **{FUNCTIONS.get(name, name): DEFINITIONS[name] for name in _WITHOUT_SIGN.split()},
}
"""Operators that mathematics has no sign for, by the names they are printed under."""
