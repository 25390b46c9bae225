"""Quoting strategies: from a book, a position and a market's risk to the two orders that should rest."""
