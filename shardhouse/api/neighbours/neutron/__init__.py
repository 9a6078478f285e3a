"""Neutron v2.0: networks, subnets, routers, ports, security groups, floating IPs."""
