"""A secret that stands in a file or in the environment, never in the rules file that people mail to each other.

Read anew for each delivery, so that a mended password helps what is waiting. This file must never put a secret into
a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from streamer_client.alerts.output import OutputError


class Secret(msgspec.Struct, frozen=True):
    """Where a secret stands. Exactly one of `file` and `variable` is given."""

    file: str = ""
    variable: str = ""
    environment: Mapping[str, str] = {}
    """What `variable` is looked up in: the process's own, at the edge."""

    def read(self) -> str:
        """Return the secret, without spaces and line ends around it.

        Raises
        ------
        OutputError
            The file cannot be read, or nothing stands there. It may be mended, so it is worth another try.
        """
        if self.file:
            try:
                text = Path(self.file).read_text(encoding="utf-8")
            except OSError as problem:
                raise OutputError(
                    f"cannot read {self.file}: {problem.strerror}; check name and rights", retry=True
                ) from None
            except UnicodeDecodeError:
                raise OutputError(f"{self.file} is no UTF-8 text; save it as UTF-8", retry=True) from None
            where = f"the file {self.file}"
        else:
            text = self.environment.get(self.variable, "")
            where = f"the variable {self.variable}"
        text = text.strip()
        if not text:
            raise OutputError(f"{where} is empty or not set; put the secret there", retry=True)
        return text
