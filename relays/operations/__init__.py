"""What a keeper does beside a relay: import, export, backup, compact, doctor, sync, mirror."""
