#!/usr/bin/env python3
"""Reference values of the elementary functions, to hold the crate's two rigorous arithmetics against.

Writes `values.csv` beside this file: one line `function,argument,lower,upper` for each argument. The
argument is the bits of a binary64 number in hexadecimal; `lower` and `upper` are 60-digit decimals below
and above the true value. mpmath computes at a precision far beyond the argument's exponent (so that no
cancellation is left) and twice at two precisions, which must agree to 70 digits.

Needs Python 3 with mpmath; the result is committed, so the tests need neither.
"""

import pathlib
import random
import struct

from mpmath import mp, mpf, nstr

DIGITS = 60


def from_bits(pattern):
    return struct.unpack("<d", struct.pack("<Q", pattern))[0]


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def neighbours(x, count=1):
    """x and the binary64 numbers next to it."""
    magnitude, sign = bits(abs(x)), bits(x) >> 63
    for step in range(-count, count + 1):
        if 0 <= magnitude + step < 0x7FF0000000000000:
            yield from_bits(magnitude + step | sign << 63)


RANDOM = random.Random(20260101)
TINY = [5e-324, 1e-323, 2.2250738585072009e-308, 2.2250738585072014e-308, 1e-300, 1e-160, 1e-30, 1e-17, 2.0**-53, 2.0**-27, 1e-8]
SMALL = [0.1, 0.25, 0.3, 0.5, 0.7, 0.84375, 0.999, 1.0, 1.25, 1.5, 2.0, 2.5, 2.857, 3.0, 4.0, 5.9, 6.0, 7.5, 10.0, 19.0, 22.0, 36.7, 37.5]
LARGE = [100.0, 354.9, 700.0, 709.0, 1000.0, 12345.678, 1e6, 1e10, 1e22, 1e100, 1e300, 1.7976931348623157e308]
MULTIPLES = [k * 1.5707963267948966 for k in (1, 2, 3, 4, 5, 7, 10, 100, 1001, 65536, 1000003, 683565275)]
# the binary64 number closest to a multiple of pi/2 (Muller et al., Handbook of Floating-Point Arithmetic)
WORST_REDUCTION = [6381956970095103.0 * 2.0**797]


def spread(low, high, count):
    return [RANDOM.uniform(low, high) for _ in range(count)]


def logarithmic(low, high, count):
    return [2.0 ** RANDOM.uniform(low, high) for _ in range(count)]


def both_signs(xs):
    return [s * x for x in xs for s in (1.0, -1.0)]


def around(xs):
    return [y for x in xs for y in neighbours(x)]


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def log_sigmoid(x):
    return -mp.log1p(mp.exp(-x))


FUNCTIONS = {
    "exp": (mp.exp, both_signs(TINY + SMALL + around([709.0, 708.5, 0.34657359027997264])) + around([709.782712893384, -708.3964185322641, -745.1332191019411])
            + spread(-745, 709, 60) + both_signs(logarithmic(-60, 9, 40)) + [-746.0, -1000.0, 710.0, 1000.0]),
    "log": (mp.log, TINY + SMALL + LARGE + list(neighbours(1.0, 3)) + around([0.7071067811865476, 1.4142135623730951, 2.718281828459045])
            + logarithmic(-1074, 1023, 70) + spread(0.5, 2, 40) + spread(0.99, 1.01, 20)),
    "log1p": (mp.log1p, both_signs(TINY) + SMALL + LARGE + [-0.5, -0.9, -0.999999, -1 + 2.0**-53, -0.29289321881345254, 0.41421356237309503]
              + spread(-1, 1, 50) + both_signs(logarithmic(-80, -1, 30)) + logarithmic(0, 1023, 30)),
    "sqrt": (mp.sqrt, TINY + SMALL + LARGE + logarithmic(-1074, 1023, 100)),
    "sin": (mp.sin, both_signs(TINY + SMALL + LARGE) + around(MULTIPLES) + WORST_REDUCTION + spread(-100, 100, 40) + logarithmic(0, 1023, 40)),
    "cos": (mp.cos, both_signs(TINY + SMALL + LARGE) + around(MULTIPLES) + WORST_REDUCTION + spread(-100, 100, 40) + logarithmic(0, 1023, 40)),
    "tanh": (mp.tanh, both_signs(TINY + SMALL + [100.0, 1e300]) + spread(-22, 22, 60) + both_signs(logarithmic(-60, 5, 40))),
    "sigmoid": (sigmoid, both_signs(TINY + SMALL + [100.0, 700.0, 709.5, 745.0, 1000.0]) + spread(-740, 740, 60) + spread(-40, 40, 40)),
    "log_sigmoid": (log_sigmoid, both_signs(TINY + SMALL + [100.0, 700.0, 709.5, 745.0, 1000.0]) + [-1e300] + spread(-740, 740, 60) + spread(-40, 40, 40)),
    "erf": (mp.erf, both_signs(TINY + SMALL + [100.0, 1e300]) + around([0.84375, 1.25, 1 / 0.35, 6.0]) + spread(-6, 6, 60) + both_signs(logarithmic(-60, 2.7, 40))),
}


def value(function, x, digits):
    mp.dps = digits
    return function(mpf(x))


def main():
    lines = ["function,argument,lower,upper"]
    for name, (function, arguments) in FUNCTIONS.items():
        for x in dict.fromkeys(arguments):
            size = min(abs(x), 2000.0) if x else 1.0
            # digits for the exponent of x, of exp(x), and of the distance to the nearest zero
            working = 120 + 2 * int(size) + (int(mp.log10(abs(mpf(x)))) if abs(x) > 1 else 2 * int(-mp.log10(abs(mpf(x)))) if x else 0)
            y = value(function, x, working)
            z = value(function, x, working + 100)
            mp.dps = working
            assert abs(y - z) <= abs(z) * mpf(10) ** -70, (name, x)
            exact = z == 0 or (name == "sqrt" and z * z == mpf(x) and len(nstr(z, DIGITS)) < DIGITS)
            margin = 0 if exact else abs(z) * mpf(10) ** (2 - DIGITS)
            lines.append(f"{name},{bits(x):016x},{nstr(z - margin, DIGITS)},{nstr(z + margin, DIGITS)}")
    pathlib.Path(__file__).with_name("values.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
