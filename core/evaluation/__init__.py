"""How good a knowledge base, a model or a prompt is: golden sets, figures, calibration, a gate."""
