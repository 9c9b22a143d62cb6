"""Profiles of the running process, in the format that `go tool pprof` and its like open."""
