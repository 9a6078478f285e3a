"""Services beside DDS that its clients need: VPC v1, Neutron, Nova, EPS and LTS, one module per
resource.

Shapes and status codes only; what fits together is decided in `store/neighbours`. Nothing here has
an effect on databases or packets: these are records, but for the addresses of public IPs.
"""
