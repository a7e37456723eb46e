"""Tables to train on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as onp


def write_csv(path: Path, columns: dict[str, list[object]]) -> Path:
    """Write columns with their names; None is an empty field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else value for value in row])
    return path


def flowers() -> dict[str, list[object]]:
    """Return 60 rows in three classes that two numbers and a colour tell apart."""
    rng = onp.random.default_rng(5)
    species = ["iris", "tulip", "rose"] * 20
    centre = {"iris": (1.0, 4.0), "tulip": (3.0, 1.0), "rose": (5.0, 5.0)}
    length = [round(centre[s][0] + rng.normal(0, 0.3), 3) for s in species]
    width = [round(centre[s][1] + rng.normal(0, 0.3), 3) for s in species]
    colour = [{"iris": "blue", "tulip": "red", "rose": "red"}[s] for s in species]
    return {"length": length, "width": width, "colour": colour, "species": species}


def houses() -> dict[str, list[object]]:
    """Return 50 rows whose price is nearly linear in area and age."""
    rng = onp.random.default_rng(6)
    area = [round(float(v), 2) for v in rng.uniform(30, 200, 50)]
    age = [int(v) for v in rng.integers(0, 90, 50)]
    price = [
        round(3000 * a - 1000 * b + float(rng.normal(0, 2000)), 1)
        for a, b in zip(area, age, strict=True)
    ]
    return {"area": area, "age": age, "price": price}
