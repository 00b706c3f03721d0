"""Stand-ins for external systems: protocol servers that are reached over a real socket."""
