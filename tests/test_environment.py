"""The lock, environment.yml and pyproject.toml say the same."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cluster_tune import paths


def lock():
    """name -> Requirement of every line of the lock."""
    lines = (paths.root() / "requirements.lock").read_text().splitlines()
    return {canonicalize_name(r.name): r for r in map(Requirement, (s for s in lines if not s.startswith("#")))}


def pyproject():
    return tomllib.loads((paths.root() / "pyproject.toml").read_text())["project"]


def environment():
    return yaml.safe_load((paths.root() / "environment.yml").read_text())


def test_every_line_of_the_lock_is_one_exact_public_pin_in_order():
    lines = [s for s in (paths.root() / "requirements.lock").read_text().splitlines() if not s.startswith("#")]
    for line in lines:
        assert re.fullmatch(r'[A-Za-z0-9._-]+==[A-Za-z0-9.]+(; python_version == "3\.\d+")?', line), line
    assert lines == sorted(lines, key=str.upper)
    assert len(lock()) == len(lines)


def wanted():
    extras = pyproject()["optional-dependencies"]
    listed = [*pyproject()["dependencies"], *(line for group in extras.values() for line in group)]
    return [line for line in listed if not line.startswith("cluster-tune")]


@pytest.mark.parametrize("line", wanted())
def test_the_lock_has_everything_that_pyproject_asks_for(line):
    requirement = Requirement(line)
    pin = lock()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="), prereleases=True)


def test_conda_installs_the_very_same_lock_and_the_package():
    pip = next(entry["pip"] for entry in environment()["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e ."]


def test_conda_and_the_package_ask_for_the_same_python():
    conda = next(e for e in environment()["dependencies"] if isinstance(e, str) and e.startswith("python"))
    assert conda.removeprefix("python").startswith(pyproject()["requires-python"])
