"""What a fleet keeps where all of its processes reach it: pointers and bytes, in a directory or a bucket."""
