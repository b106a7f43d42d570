"""The fleet's processes on Ray Serve. The only modules that import Ray."""
