"""What pages load: nothing from elsewhere, nothing inline; a buyer's page holds no script at all."""

import hashlib
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
POLICY_WITH_SCRIPTS = (
    f"{POLICY}; script-src 'self'; connect-src 'self'"  # for staff; their pages work without
)


@cache
def asset(name: str) -> str:
    """The address of a file below `static`, with its content's digest: browsers may keep it for a year.

    Raises OSError where there is none.
    """
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
