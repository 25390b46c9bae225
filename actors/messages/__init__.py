"""Every message that crosses a channel, and the one table (`table.py`) that declares the channels."""
