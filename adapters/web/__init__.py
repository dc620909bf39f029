"""The web chat: a channel like any other, except that its stored rows are the delivery."""
