"""Everything that moves data, by its names; see `layout` and `joining`."""

from __future__ import annotations

from backlit.ops.joining import concatenate as concatenate
from backlit.ops.joining import hstack as hstack
from backlit.ops.joining import pad as pad
from backlit.ops.joining import repeat as repeat
from backlit.ops.joining import roll as roll
from backlit.ops.joining import split as split
from backlit.ops.joining import stack as stack
from backlit.ops.joining import tile as tile
from backlit.ops.joining import vstack as vstack
from backlit.ops.layout import as_shape as as_shape
from backlit.ops.layout import broadcast_arrays as broadcast_arrays
from backlit.ops.layout import broadcast_to as broadcast_to
from backlit.ops.layout import broadcasts as broadcasts
from backlit.ops.layout import expand_dims as expand_dims
from backlit.ops.layout import flip as flip
from backlit.ops.layout import fresh as fresh
from backlit.ops.layout import moveaxis as moveaxis
from backlit.ops.layout import normalise_axes as normalise_axes
from backlit.ops.layout import normalise_axis as normalise_axis
from backlit.ops.layout import ravel as ravel
from backlit.ops.layout import reshape as reshape
from backlit.ops.layout import squeeze as squeeze
from backlit.ops.layout import stretch as stretch
from backlit.ops.layout import swapaxes as swapaxes
from backlit.ops.layout import transpose as transpose
