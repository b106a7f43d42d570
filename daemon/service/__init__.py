"""The process: recover, start up, keep up, reload, shut down."""
