"""The Ledger's database: schema and migrations, one file for each family of tables, upkeep, backup.

It stands in the runtime and not beside the actors, because `actors/` holds what can be restarted, one actor a file;
this holds no actor. Everything here blocks: it is called through the `offload` seam, or where there is no event
loop.
"""
