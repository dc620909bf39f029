"""Redis as a disposable accelerator: nothing is lost without it, and nobody waits for it."""
