"""`hotswapd doctor`: what would go wrong here, before it does. One check a file."""
