"""What tutorials teach about sessions, each point as code that runs when a visitor asks for it."""
