"""`hotswapd demo`: the main job on a real model, with a story."""
