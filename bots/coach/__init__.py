"""A coach for habits and goals, answering from its handbook."""
