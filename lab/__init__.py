"""The lab: consumers to compare, and an arena that puts them under fault drills."""
