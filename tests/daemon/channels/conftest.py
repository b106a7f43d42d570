"""Several channels need an engine that serves several names."""

import pytest
from kits.queues import Queue
from kits.sightings import first_directory


@pytest.fixture
def queue() -> Queue:
    """Make a queue whose adapters name their channel by the first part of their names."""
    return Queue(kind="fake", naming=first_directory)
