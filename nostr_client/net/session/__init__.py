"""One relay as the client sees it: subscriptions, AUTH, publications, negentropy. No I/O."""
