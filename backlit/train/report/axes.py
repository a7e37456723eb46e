"""Where numbers go on an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from one number to another, over a stretch of the drawing.

    Attributes
    ----------
    low, high : float
        Ends in units of the data; low < high.
    start, end : float
        Where they are in the drawing.
    log : bool
    label : str

    Examples
    --------
    >>> axis = Axis(0.0, 10.0, 0.0, 100.0)
    >>> axis.place(2.5), axis.ticks()
    (25.0, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    label: str = ""

    def place(self, value: float) -> float:
        """Return where a number is in the drawing."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return self.start + (self._scaled(value) - low) / (high - low) * (self.end - self.start)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self, count: int = 5) -> list[float]:
        """Return round numbers along the axis.

        Parameters
        ----------
        count : int
            About how many.

        Returns
        -------
        list of float

        Examples
        --------
        >>> Axis(0.01, 20.0, 0, 1, log=True).ticks()
        [0.01, 0.1, 1.0, 10.0]
        >>> Axis(0.04, 0.9, 0, 1, log=True).ticks()
        [0.05, 0.1, 0.2, 0.5]
        """
        if self.log:
            first, last = math.ceil(_log(self.low) - 1e-9), math.floor(_log(self.high) + 1e-9)
            if last - first >= 3:
                stride = max(1, math.ceil((last - first) / count))
                return [10.0**power for power in range(first, last + 1, stride)]
            near = [k * 10.0**power for power in range(first - 1, last + 1) for k in (1, 2, 5)]
            inside = [round(tick, 12) for tick in near if self.low <= tick <= self.high]
            if 2 <= len(inside) <= count + 2:
                return inside
            if last > first:
                return [10.0**power for power in range(first, last + 1)]
        step = _round_step((self.high - self.low) / count)
        begin = math.ceil(self.low / step - 1e-9)
        stop = math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(begin, stop + 1)]


def axis_for(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    log: bool = False,
    label: str = "",
) -> Axis:
    """Return an axis on which all finite values have a place.

    Parameters
    ----------
    values : iterable of float
        On a logarithmic axis those that are not positive are left out.
    start, end : float
        Stretch of the drawing.
    log : bool
        Whether the axis is logarithmic.
    label : str

    Returns
    -------
    Axis

    Examples
    --------
    >>> axis_for([0.0, 25.0], 0, 100)
    Axis(low=-1.0, high=26.0, start=0, end=100, log=False, label='')
    """
    found = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    low, high = (min(found), max(found)) if found else (1.0, 10.0)
    if log:
        return Axis(low * 0.8, high * 1.25, start, end, log, label)
    spread = high - low or abs(high) or 1.0
    return Axis(low - 0.04 * spread, high + 0.04 * spread, start, end, log, label)


def _round_step(size: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least `size`."""
    power = 10.0 ** math.floor(_log(size))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= size * (1 - 1e-9))


def _log(value: float) -> float:
    return math.log10(value)


def text_of(value: float, digits: int = 4) -> str:
    """Return a number as a reader would write it.

    Parameters
    ----------
    value : float
    digits : int
        Significant ones, of what is written with a decimal point or a power of ten.

    Returns
    -------
    str

    Examples
    --------
    >>> text_of(0.00012345), text_of(453217.0), text_of(0.25), text_of(-2.0), text_of(2024.0)
    ('1.234×10⁻⁴', '453,217', '0.25', '−2', '2024')
    """
    if not math.isfinite(value):
        return "not finite"
    sign = "−" if value < 0 else ""
    size = abs(value)
    if size and not 1e-3 <= size < _LARGE:
        power = math.floor(_log(size))
        factor = f"{size / 10.0**power:.{digits}g}"
        if float(factor) >= 10:
            factor, power = "1", power + 1
        times = "" if factor == "1" else f"{factor}×"
        return f"{sign}{times}10{str(power).translate(_RAISED)}"
    if size >= 10.0 ** (digits - 1):
        # Four digits may be a year, and are read at a glance.
        return sign + (f"{size:,.0f}" if size >= 9999.5 else f"{size:.0f}")
    return f"{sign}{size:.{digits}g}"


_LARGE = 1e12  # from here on, powers of ten are easier to read
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
