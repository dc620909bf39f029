"""Files to text, in a child process with limits. The child imports nothing else of Cairn's core."""
