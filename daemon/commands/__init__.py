"""The commands, one file each; `parser` describes all of them."""
