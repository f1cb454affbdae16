# SPDX-License-Identifier: BSD-3-Clause
"""PC/SC's codes, in words."""

from smartcard import scard

CODES = {getattr(scard, name) & 0xFFFFFFFF: name for name in dir(scard) if name.startswith(("SCARD_E_", "SCARD_W_"))}
