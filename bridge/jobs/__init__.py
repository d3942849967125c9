"""The jobs of the bridge: what a request becomes, how it is submitted once, and how it stands."""
