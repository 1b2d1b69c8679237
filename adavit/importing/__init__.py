"""Networks of others: files that would run code are read here without running any, and mapped to modules of ours."""
