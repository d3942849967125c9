"""Where no job may connect unless the operator says otherwise."""

DENIED_BY_DEFAULT = frozenset(
    {
        # Link-local addresses, where clouds and container runtimes hand out credentials, and their names.
        "169.254.0.0/16",
        "fe80::/10",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data.ec2.internal",
        # The same at other addresses: AWS on IPv6 (two), Google on IPv6, Alibaba, Oracle, Azure.
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        # The node itself under another address than loopback's.
        "0.0.0.0/8",
        "::",
    }
)
