"""A team's daily stand-up: asked in private, told to the team with blockers first."""
