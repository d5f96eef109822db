"""The way to a venue and back: streams, requests, limits; must never decide what to send."""
