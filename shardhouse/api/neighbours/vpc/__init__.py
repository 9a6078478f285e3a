"""VPC v1 (and the v2.0 paths that belong to it): VPCs, subnets, public IPs, bandwidths, tags."""
