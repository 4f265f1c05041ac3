"""Noise comes from OpenDP alone: no generator that can be predicted or seeded stands in a release path."""

import ast
import re

import pytest

from tests.house.source import modules, tree

# privacy.synthetic makes mock data from the public schema; nothing that it returns is a release.
RELEASE_PATHS = [
    name for name in modules("privacy", "domains", "portal") if not name.startswith("privacy.synthetic")
]


def predictable(module: ast.Module) -> list[str]:
    """Name every use of a generator that is not made for secrets."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [
                a.name for a in node.names if a.name.split(".")[0] == "random" or a.name == "numpy.random"
            ]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{a.name}" for a in node.names]
            found += [name for name in whole if re.match(r"random\.|numpy\.random\b", name)]
        elif isinstance(node, ast.Attribute) and node.attr == "random":
            found += [ast.unparse(node)] if ast.unparse(node) in {"np.random", "numpy.random"} else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(r"\b(?:random|setseed|gen_random_uuid)\(", node.value, re.I)
    return found


def test_no_predictable_generator_in_a_release_path():
    found = {name: predictable(tree(modules()[name])) for name in RELEASE_PATHS}
    assert {name: uses for name, uses in found.items() if uses} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import random",
        "from random import gauss",
        "import numpy.random",
        "from numpy import random",
        "from numpy.random import default_rng",
        "import numpy as np\nnp.random.normal()",
        "sql = 'SELECT * FROM t ORDER BY RANDOM()'",
    ],
)
def test_each_way_to_one_would_be_seen(line):
    assert predictable(ast.parse(line)) != []


def test_only_privacy_noise_draws():
    drawing = [
        name for name in modules("privacy", "domains", "portal") if "opendp" in modules()[name].read_text()
    ]
    importing = [
        name for name in drawing if re.search(r"^\s*(import|from) opendp", modules()[name].read_text(), re.M)
    ]
    assert importing == ["privacy.noise"]
