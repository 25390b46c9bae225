"""What an operator uses: settings, logs, the terminal table, and the control socket."""
