"""Stands in for a build backend while pip downloads a source distribution, so that none of its code runs."""
