"""What people see of a running session and tell it: status, metrics, alerts, control; must never trade."""
