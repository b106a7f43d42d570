"""Tables of figures in a page."""

import pytest

from hotswapd.daemon.bench.render import put_in


def test_figures_replace_what_was_between_their_comments() -> None:
    """The rest of the page stays, and a page without the comments is refused."""
    page = "a\n<!-- tiny -->\nold\n<!-- /tiny -->\nb"
    assert put_in(page, "tiny", "new") == "a\n<!-- tiny -->\nnew\n<!-- /tiny -->\nb"
    with pytest.raises(ValueError, match="half"):
        put_in(page, "half", "new")
