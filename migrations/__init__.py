"""The database schema, one idea a version; roles and row level security have one helper each."""

# Any fixed number: two runs of `cairn migrate` at once take turns.
ADVISORY_LOCK = 7_221_446_318
