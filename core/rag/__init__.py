"""Knowledge: text in, the passages that answer a question out, or an honest nothing."""
