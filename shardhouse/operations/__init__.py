"""What the calls of the contract do: one module per operation, on tasks they share."""
