"""The measurements of ``hotswapd bench``, one file each; each has a function `measure`."""
