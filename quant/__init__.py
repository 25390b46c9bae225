"""Every decision of the bot, as pure functions and state machines: no clock, no randomness, no I/O."""
