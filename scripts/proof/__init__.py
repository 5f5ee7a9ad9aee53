"""What the benchmarks are made of; scripts/bench is the door."""
