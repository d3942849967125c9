"""The commands that ask a bridge, for people and scripts. They need the extra `client` of the package."""
