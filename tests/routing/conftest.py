from tests.loopback import loopback_only

__all__ = ["loopback_only"]
