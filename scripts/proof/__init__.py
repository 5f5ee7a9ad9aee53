"""What the benchmarks and the drills are made of; scripts/bench and scripts/drill are the doors."""
