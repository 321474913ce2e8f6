"""The same work by several libraries: a program for each, told by `benchmarks.peers.work`."""
