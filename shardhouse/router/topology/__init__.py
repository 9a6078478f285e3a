"""Which node leads each replica set. `description` decides, `monitor` asks the nodes."""
