"""A Kalshi-compatible exchange that runs here: matching, accounts, REST, WebSocket, and a truth API for tests.

It shares with the client the enumerations of `kalshi.types`, the unit names of `kalshi.numbers` and signature
verification, and nothing else: parsing and fee arithmetic are written anew, so that one bug cannot cancel
itself out on both sides.
"""
