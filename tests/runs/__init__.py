"""Programs that the Makefile runs: `PYTHONPATH=tests python -m runs.NAME`."""
