"""``hotswapd demo``: what hotswapd is for, on a real model, told as a story."""
