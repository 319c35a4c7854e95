"""Prints pip constraints that pin each library to the lower bound pyproject.toml declares for it.

`make test-oldest` installs under them. pip refuses a bound that does not exist or does not go with
the others; a resolver that is asked for the lowest versions would quietly move on to the next.
"""

import re
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?(>=|==)(?P<version>[\d.]+)(,.*)?")


def lower_bounds(project: dict) -> dict[str, str]:
    """The lowest version of each library, by its name; a library without a bound is left out.

    Args:
        project: the `project` table of a pyproject.toml.
    """
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(one for extra in extras for one in extra)]
    found = filter(None, map(BOUND.fullmatch, requirements))
    return {match["name"]: match["version"] for match in found}


if __name__ == "__main__":
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    bounds = lower_bounds(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"])
    print("\n".join(f"{name}=={version}" for name, version in bounds.items()))
