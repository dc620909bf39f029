"""The dialogue engine: inbox, turns, outbox, knowledge, and the HTTP and command-line fronts."""
