"""What Mercato reaches on this machine: load, topologies, retrieval; results as JSON with the machine described."""
