"""``hotswapd check``: would this adapter be taken? Needs no daemon."""
