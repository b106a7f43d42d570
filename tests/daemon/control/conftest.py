"""What needs an engine runs on two: the daemon's own over a stand-in model, and a fake one."""

import pytest
from kits import queues
from kits.engines import KINDS


@pytest.fixture(params=KINDS)
def engine_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give queues this engine."""
    monkeypatch.setattr(queues, "KIND", [request.param])
    return str(request.param)
