"""`hotswapd bench`, one file per measurement."""
