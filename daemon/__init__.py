"""The process: configuration, threads, queue, ledger, control, HTTP and the command line."""
