"""NIP-01 and nothing else: keys, events, filters, frames and addresses. Pure."""
