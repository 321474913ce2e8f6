"""What screens are made of. A widget never imports the app: it is handed what it needs."""
