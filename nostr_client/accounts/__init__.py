"""Who I am: accounts on this machine, and their keys at rest."""
