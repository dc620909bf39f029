"""A practice's front desk in short text messages."""
