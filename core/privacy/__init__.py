"""What is held of a contact: told, handed out, erased, and kept no longer than it may be."""
