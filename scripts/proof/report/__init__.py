"""What a report is made of; the committed ones lie here."""
