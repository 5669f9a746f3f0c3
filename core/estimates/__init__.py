"""What each kind of statement locks, rewrites, scans and builds, as it was measured on PostgreSQL 13 to 18."""
