"""Projections of a journal: metrics, audit, report and page; must never decide, and never feed anything back."""
