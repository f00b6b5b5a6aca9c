"""What scripts/benchmark.py measures, a file for each thing: servers, clients, network, load, stages; and how it is told."""
