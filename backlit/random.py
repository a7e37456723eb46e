"""Counter-based random numbers; see `backlit.ops.random`."""

from backlit.ops.random import bernoulli as bernoulli
from backlit.ops.random import bits as bits
from backlit.ops.random import fold_in as fold_in
from backlit.ops.random import key as key
from backlit.ops.random import normal as normal
from backlit.ops.random import permutation as permutation
from backlit.ops.random import randint as randint
from backlit.ops.random import split as split
from backlit.ops.random import uniform as uniform
