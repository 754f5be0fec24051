"""Where this computer is reached: on itself, and in its network."""

from __future__ import annotations

import socket

HERE = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")


def url(host: str, port: int) -> str:
    """The app's address; an IPv6 host goes into brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def lan_address() -> str | None:
    """This computer's address in its network, or None; asks the routing table only, nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737); connecting UDP sends no packet
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith(("127.", "0.")) else address


def own_names() -> list[str]:
    """The names by which this computer calls itself, alone and in its network (mDNS); nothing is asked or sent."""
    name = socket.gethostname().lower().rstrip(".")
    short = name.split(".")[0]
    return list(dict.fromkeys(each for each in ("localhost", name, short, f"{short}.local") if each))
