"""What the drills add to the project; mounted beside it, and in no image."""
