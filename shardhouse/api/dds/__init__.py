"""The DDS v3 API: one module per resource, the wire's names and JSON types, no rules."""
