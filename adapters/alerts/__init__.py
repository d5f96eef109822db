"""How an alert reaches a person: kinds, document, the rule of once per window, channels; must never touch trading."""
