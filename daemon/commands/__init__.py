"""The commands, one file each; `parser` describes all of them. Imports nothing, so that commands start fast."""
