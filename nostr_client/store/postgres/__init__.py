"""The store in a PostgreSQL database, which any number of nodes may have open."""
