"""Check-ins: what is asked, how an answer is read, goals, streaks and the picture of progress."""
