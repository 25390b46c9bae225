"""Volatility sessions: short-lived quoting of markets that move and come back, from entry to flat."""
