"""The operator: what may be asked, done and seen. Imports nothing, so that commands start fast."""
