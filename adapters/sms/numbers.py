"""What a telephone number tells: whether it can be one, and its owner's zone where that is certain.

The zones are those of Google's libphonenumber, by country code.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

# E.164, or a short code.
_OURS = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}")
# The Channel Islands and the Isle of Man share the country code, and London's clock.
_ONE_CLOCK = {44: "Europe/London"}


def can_send(number: str) -> bool:
    """Whether Twilio may have such a number to send from."""
    return _OURS.fullmatch(number) is not None


@lru_cache(maxsize=10_000)
def timezone_of(number: str) -> str | None:
    """The zone, where a whole country has one; an area code proves nothing: people move."""
    try:
        code = phonenumbers.parse(number.rpartition(":")[2]).country_code
    except phonenumbers.NumberParseException:
        return None
    zones = TIMEZONE_DATA.get(str(code), ())
    return zones[0] if len(zones) == 1 else _ONE_CLOCK.get(code or 0)
