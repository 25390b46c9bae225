"""Campaigns of the deterministic simulation: many seeds, every fault, all invariants, one report."""
