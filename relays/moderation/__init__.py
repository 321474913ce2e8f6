"""What the keeper of a relay decides: bans, removal, reports, members, and the record of it all."""
