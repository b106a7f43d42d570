"""A lane whose cache is full goes on once those who filled it have gone."""

from typing import Any

import pytest
from kits.rows import LONG, SHORT_ASK, Listener, bench, reference
from transformers.generation.continuous_batching.offloading_manager import OffloadingManager

from hotswapd.swap.rows.lanes import Ticket


def test_clients_that_leave_a_full_cache_leave_a_lane_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them leave at the moment at which a request was put back, and the lane takes no new ones."""
    tickets: list[Ticket] = []
    put_back = Listener()
    offload = OffloadingManager.offload_requests

    with bench(cache_tokens=512) as one:

        def offload_and_leave(self: OffloadingManager, *args: Any) -> Any:
            done = offload(self, *args)
            if tickets and self.scheduler.block_new_requests:
                for ticket in tickets:
                    one.lanes.cancel(ticket)
                put_back.ended.set()
            return done

        monkeypatch.setattr(OffloadingManager, "offload_requests", offload_and_leave)
        tickets += [one.ask((7, index), tokens=300)[0] for index in range(6)]
        assert put_back.ended.wait(LONG), "the cache was never full"
        _, listener = one.ask(SHORT_ASK, tokens=8)
        assert listener.wait().token_ids == reference(None, SHORT_ASK, 8)
