"""What rows over HTTP share: adapters with what they mean, and a fleet of three replicas on one node.

What these are made of needs Ray, so it is imported only where a test asks for one of them.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from kits.rows import home


@pytest.fixture(scope="module")
def stock() -> Any:
    """Make adapters, and what a fresh PEFT load of each writes: a `Stock`."""
    from kits.fleet_load import stocked

    return stocked()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Any]:
    """Bring up a fleet whose replicas write down what they verify: a `Deployed`."""
    from kits.fleet_http import deployed_noting
    from kits.fleet_load import REPLICAS

    with deployed_noting(home() / "base", REPLICAS) as made:
        yield made
