"""A rollout in words: both arms side by side."""

from hotswapd.daemon.answers import ArmStatus, RolloutStatus

_COUNTED = (
    ("requests", "requests"),
    ("errors", "failed"),
    ("degenerate", "degenerate"),
    ("non_finite", "not finite"),
    ("first_token_seconds", "seconds to the first token"),
    ("seconds_a_token", "seconds a token"),
    ("tokens", "tokens an answer"),
    ("mean_logprob", "mean log-probability"),
    ("feedback", "scores"),
    ("mean_score", "mean score"),
)


def side_by_side(now: RolloutStatus | None) -> str:
    """Lay out both arms, with a line for each thing counted."""
    if now is None:
        return "no rollout is under way"
    live, canary = now["live"], now["canary"]
    lines = [f"{now['kind']}: {now['share']:g} % of new requests go to generation {canary['generation']}"]
    lines.append(f"{'':28}{'live g' + str(live['generation']):>16}{'beside g' + str(canary['generation']):>16}")
    lines += [f"{title:28}{_number(live, name)}{_number(canary, name)}" for name, title in _COUNTED]
    lines += [f"waits for {now['waits_for']}"] if now.get("waits_for") else []
    return "\n".join(lines)


def _number(arm: ArmStatus, name: str) -> str:
    value = arm.get(name)
    return f"{'-' if value is None else format(value, '.4g'):>16}"
