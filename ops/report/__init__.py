"""The report: what trading earned, of which parts, and how well it was done, out of the Ledger alone."""
