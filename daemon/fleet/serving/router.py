"""How Serve chooses the replica of a request: any two but those that have just refused it or died, the idler one."""

import random
from collections.abc import Sequence

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class Elsewhere(RequestRouter):  # type: ignore[misc] # Ray is not followed
    """A preference only: whether a replica may answer, its fence decides."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Return two of those that are not to be avoided, or of all if that leaves none."""
        avoid: Sequence[str] = () if pending_request is None else pending_request.kwargs.get("avoid", ())
        there = [one for one in candidate_replicas if one.replica_id.to_full_id_str() not in avoid]
        there = there or list(candidate_replicas)
        if not there:
            if pending_request is not None:
                pending_request.routing_context.should_backoff = (
                    True  # without it the router asks again without a pause
                )
            return []
        return [random.sample(there, min(2, len(there)))]
