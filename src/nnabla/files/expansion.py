"""How large packed data may become in memory. A file packed far more densely than any network is an attack."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import FormatError


class Allowance(NamedTuple):
    """How many bytes packed ones may expand to.

    Deflate expands one byte to 1032 at most. But trained numbers shrink by a tenth, those of pruned networks to a
    hundredth at best, and the text of a network with many equal layers to a thirtieth.
    """

    free: int
    """Bytes that may come out of any file, however small."""
    ratio: int
    """Bytes for each packed one on top of that."""

    def check(self, claimed: int, packed: int, where: str) -> None:
        """Make sure that `packed` bytes may expand to `claimed` bytes.

        Raises:
            FormatError: `where`, both numbers, and what would be allowed.
        """
        allowed = self.free + self.ratio * packed
        if claimed > allowed:
            raise FormatError(f"{where} claims {claimed} bytes, but only {packed} are stored, for at most {allowed}")


NUMBERS = Allowance(16 << 20, 100)
"""Arrays, and files of nothing but arrays."""
MESSAGES = Allowance(8 << 20, 100)
"""Protobuf messages, which take several times their length in memory."""
TEXT = Allowance(4 << 20, 50)
"""Messages as text, of which a megabyte takes seconds to read."""
