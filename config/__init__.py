"""What a person may set, its defaults and profiles, and how that becomes PARAMS; must never decide anything."""
