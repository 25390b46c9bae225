"""Selection: which markets are worth quoting."""
