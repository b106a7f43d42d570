"""How hot a name is: by its requests, of which the older ones count less."""

from hotswapd.swap.rows.heat import Heat


def test_a_request_counts_half_after_the_half_life_in_requests() -> None:
    """To any name: while nobody asks for anything, nothing cools down."""
    heat = Heat(4)
    heat.ask("a")
    assert heat.of(("a",)) == 1.0
    for _ in range(4):
        heat.ask("b")
    assert heat.of(("a",)) == 0.5
    assert heat.of(("a", "b")) > heat.of(("b",)) > 1.0


def test_one_that_is_asked_for_all_the_time_is_hotter_than_a_newcomer() -> None:
    heat = Heat(64)
    for number in range(200):
        heat.ask("often" if number % 4 == 0 else f"once-{number}")
    assert heat.of(("often",)) > 10 * heat.of(("once-199",))


def test_what_was_hot_once_cools_down() -> None:
    """So what is asked for now takes its place."""
    heat = Heat(16)
    for name in ["before"] * 500 + ["now"] * 64:
        heat.ask(name)
    assert heat.of(("now",)) > 10 * heat.of(("before",))


def test_a_name_that_is_served_no_more_is_forgotten() -> None:
    heat = Heat(4)
    heat.ask("a")
    heat.forget("a")
    heat.forget("a")
    assert heat.of(("a", "never")) == 0.0
