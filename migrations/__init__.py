"""The database schema, one idea a version; roles and row level security have one helper each."""
