"""Specifications of quant.rewards."""
