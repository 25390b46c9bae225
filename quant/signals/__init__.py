"""Signals: what the market data says about fair value and volatility."""
