"""Program scenarios: each kind of trading program on the simulated exchange, from discovery to the summary."""
