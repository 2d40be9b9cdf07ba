"""Bad input as one line that says what is wrong and what to do.

The command line prints an `InputError` and exits with 2; anything else that escapes is a defect of ours and
keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input we cannot work with; the message is a single line meant for the person who gave it."""


class CannotWrite(InputError):
    """Nothing can be stored where results go, so that to compute more would be in vain."""


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name, be it text or a number, that is not one of `known`, with the nearest of these or else all."""
    known = sorted(known)
    near = get_close_matches(str(name), known, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
    return InputError(f"unknown {kind} '{name}'; {hint}")
