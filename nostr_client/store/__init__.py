"""Where events are kept, and what is known about their copies elsewhere.

What is kept, replaced, deleted or expires (NIP-01, 09, 40, 62) is said in `rules`, who may see
it in `visibility`; `contract` is what an engine does, and `opening` opens one.
"""
