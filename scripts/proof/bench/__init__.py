"""What a session costs, measured side by side."""
