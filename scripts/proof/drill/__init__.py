"""What users lose when something breaks."""
