"""scrypt makes passphrases costly to guess, and would make tests slow: it is spared where it is not what a test is about.

- Keys are encrypted with the smallest parameters; these are in the file, so that every process opens it. tests/certs shows what
  the real ones are.
- Where they are not said in what is stored, they stay; but what was derived once in a process is not derived again.
"""

import functools
import hashlib

from certs.keys import ScryptCost, encrypt_private_key

STATED_COST: ScryptCost = encrypt_private_key.__kwdefaults__["cost"]
"""What the product takes where nothing is said."""


def spare() -> None:
    encrypt_private_key.__kwdefaults__["cost"] = ScryptCost(n=2, r=1, p=1)
    hashlib.scrypt = functools.lru_cache(maxsize=256)(hashlib.scrypt)
