"""Guessing at one account's password is slowed.

A delay, never a lock-out, and no thread waits: an attempt that comes too early is answered 429
with `Retry-After` before any password is hashed. `limits` says how long, `counters` keeps count,
`device` knows the browsers that signed in before, `visit` holds what one request tried, and
`middleware` connects all of it with Django.
"""
