"""The pinned requirement files say exactly what is installed, and from nowhere in particular."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HASHED = ["build", "run", "test", "lint"]
PINNED = [*HASHED, "peers"]


def text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def entries(name: str) -> list[tuple[Requirement, list[str]]]:
    """Every requirement of a file with its hashes."""
    joined = re.sub(r"\\\n", " ", text(name))
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    parsed = []
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        parsed.append((Requirement(requirement), hashes))
    return parsed


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", str(requirement)
    assert "*" not in specifier.version, str(requirement)
    return specifier.version


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(r.name): version(r) for r, _ in entries(name)}


@pytest.mark.parametrize("name", PINNED)
def test_versions_are_exact_and_no_address_is_recorded(name):
    assert pins(name)
    assert "://" not in text(name)
    assert not re.search(r"^\s*(-i|-f|--(?!hash))", text(name), flags=re.MULTILINE)


@pytest.mark.parametrize("name", HASHED)
def test_every_requirement_has_hashes(name):
    for requirement, hashes in entries(name):
        assert hashes, str(requirement)
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes)


def test_files_agree_wherever_they_overlap():
    together: dict[str, str] = {}
    for name in PINNED:
        for package, pinned in pins(name).items():
            assert together.setdefault(package, pinned) == pinned, f"{package} in {name}.txt"


def test_pins_are_within_the_ranges_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        "build": [*project["build-system"]["requires"], *project["dependency-groups"]["build"]],
        "run": project["project"]["dependencies"],
        "test": [*project["dependency-groups"]["test"], *project["project"]["dependencies"]],
        "lint": project["dependency-groups"]["lint"],
    }
    for name, ranges in wanted.items():
        pinned = pins(name)
        for range_ in map(Requirement, ranges):
            package = canonicalize_name(range_.name)
            assert package in pinned, f"{package} is missing from {name}.txt"
            assert range_.specifier.contains(pinned[package]), f"{range_} in {name}.txt"


def test_tests_install_nothing_heavier_than_scipy():
    assert not {"torch", "jax", "jaxlib", "optax", "scikit-learn", "tensorflow"} & set(pins("test"))
