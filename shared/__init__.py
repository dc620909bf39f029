"""Values, settings, storage and security that every other package builds on."""
