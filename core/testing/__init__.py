"""What those who build on Cairn test with: every channel's contract, emulators as fixtures."""
