"""What the operator's verbs think with: a module each, and what they share."""
