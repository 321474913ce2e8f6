"""What a keeper does about a relay, beside it while it runs."""
