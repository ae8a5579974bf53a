/* The largest error of a function's values, in units in the last place, against MPFR.
 *
 *     cc -O2 ulp.c -lquadmath -lmpfr -lgmp -o ulp
 *     ulp FUNCTION < PAIRS
 *
 * Standard input holds pairs of an argument and a value, each a binary64 number as it stands in memory. Prints one line: the
 * number of pairs, the largest error, and its argument. FUNCTION is one of the names in `functions`, or `NUM/DEN` for
 * x^(NUM/DEN) with x >= 0, the exponent taken exactly.
 *
 * An error is |value - truth| over the distance of the binary64 numbers between which the truth lies: 2^-1074 for subnormal
 * numbers and for zero, and that of the largest numbers beyond them. An infinite value counts as 2^1024, and so does a finite truth
 * that is larger. Where the truth is infinite the value must be so too, where it is not a number it must not be one; else
 * the error is infinite.
 *
 * The truth has PRECISION bits. No step below cancels: each is a function of MPFR's, rounded correctly, or a sum of numbers of
 * one sign. So it is wrong by a few 2^-PRECISION of its size, which moves an error by less than 10^-10 (next to a power of two the
 * truth may be taken for it).
 *
 * MPFR takes up to 30 microseconds for a value. So only those go to it whose error may be the largest so far by libquadmath, in 113
 * bits: all but those where it says that the error is less by FILTER at least. Its own errors are some 2^-112 of the truth, a
 * hundred-millionth of a billionth of a unit.
 */
#include <math.h>
#include <mpfr.h>
#include <quadmath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION = 90, BLOCK = 4096 };

static const double FILTER = 1e-6;

static long numerator, denominator;

/* 1/(1 + e^-x) */
static int sigmoid(mpfr_t y, const mpfr_t x, mpfr_rnd_t mode)
{
    mpfr_neg(y, x, mode);
    mpfr_exp(y, y, mode);
    mpfr_add_ui(y, y, 1, mode);
    return mpfr_ui_div(y, 1, y, mode);
}

/* -log(1 + e^-|x|), and x more below zero */
static int log_sigmoid(mpfr_t y, const mpfr_t x, mpfr_rnd_t mode)
{
    mpfr_abs(y, x, mode);
    mpfr_neg(y, y, mode);
    mpfr_exp(y, y, mode);
    mpfr_log1p(y, y, mode);
    return mpfr_sgn(x) < 0 ? mpfr_sub(y, x, y, mode) : mpfr_neg(y, y, mode);
}

static int power(mpfr_t y, const mpfr_t x, mpfr_rnd_t mode)
{
    mpfr_rootn_ui(y, x, denominator, mode);
    return mpfr_pow_si(y, y, numerator, mode);
}

static __float128 sigmoid_quad(__float128 x)
{
    return 1 / (1 + expq(-x));
}

static __float128 log_sigmoid_quad(__float128 x)
{
    return (x < 0 ? x : 0) - log1pq(expq(-fabsq(x)));
}

static __float128 power_quad(__float128 x)
{
    return powq(x, (__float128)numerator / denominator);
}

typedef struct {
    const char *name;
    int (*exact)(mpfr_t, const mpfr_t, mpfr_rnd_t);
    __float128 (*quad)(__float128);
} Function;

static const Function functions[] = {
    {"exp", mpfr_exp, expq},
    {"log", mpfr_log, logq},
    {"log1p", mpfr_log1p, log1pq},
    {"sqrt", mpfr_sqrt, sqrtq},
    {"sin", mpfr_sin, sinq},
    {"cos", mpfr_cos, cosq},
    {"tanh", mpfr_tanh, tanhq},
    {"sigmoid", sigmoid, sigmoid_quad},
    {"log_sigmoid", log_sigmoid, log_sigmoid_quad},
    {"erf", mpfr_erf, erfq},
};

static Function named(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(name, functions[i].name) == 0)
            return functions[i];
    if (sscanf(name, "%ld/%ld", &numerator, &denominator) == 2 && denominator > 0)
        return (Function){name, power, power_quad};
    fprintf(stderr, "no function %s\n", name);
    exit(2);
}

/* The error of a value; changes the truth. */
static double error(double value, mpfr_t truth, mpfr_t difference)
{
    if (mpfr_nan_p(truth) || isnan(value))
        return mpfr_nan_p(truth) && isnan(value) ? 0 : INFINITY;
    if (mpfr_inf_p(truth))
        return isinf(value) && (value > 0) == (mpfr_sgn(truth) > 0) ? 0 : INFINITY;
    /* 2^(exponent - 1) <= |truth| < 2^exponent, within the exponents of binary64 */
    long exponent = -1021;
    if (!mpfr_zero_p(truth) && mpfr_get_exp(truth) > exponent)
        exponent = mpfr_get_exp(truth);
    if (exponent > 1024) {
        exponent = 1024;
        mpfr_set_si_2exp(truth, mpfr_sgn(truth), 1024, MPFR_RNDN);
    }
    if (isinf(value))
        mpfr_set_si_2exp(difference, value > 0 ? 1 : -1, 1024, MPFR_RNDN);
    else
        mpfr_set_d(difference, value, MPFR_RNDN);
    mpfr_sub(difference, difference, truth, MPFR_RNDN);
    mpfr_mul_2si(difference, difference, 53 - exponent, MPFR_RNDN);
    return fabs(mpfr_get_d(difference, MPFR_RNDN));
}

/* Whether the error is less than a bound by far, as libquadmath says; no answer where the truth is next to the end of binary64. */
static int is_less(double value, __float128 truth, double bound)
{
    __float128 size = fabsq(truth);
    if (!(size > 0x1p-1000Q && size < 0x1p1000Q) || !isfinite(value))
        return 0;
    int exponent;
    frexpq(size, &exponent);
    return fabsq(scalbnq(value - truth, 53 - exponent)) < bound - FILTER;
}

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "usage: ulp FUNCTION < PAIRS\n");
        return 2;
    }
    Function function = named(words[1]);
    static double pairs[BLOCK][2];
    unsigned long long done = 0;
    double largest = 0, at = NAN;
    mpfr_t x, truth, difference;
    mpfr_init2(x, 53);
    mpfr_init2(truth, PRECISION);
    mpfr_init2(difference, 53);
    for (size_t read; (read = fread(pairs, sizeof *pairs, BLOCK, stdin)) > 0; done += read)
        for (size_t i = 0; i < read; i++) {
            if (is_less(pairs[i][1], function.quad(pairs[i][0]), largest))
                continue;
            mpfr_set_d(x, pairs[i][0], MPFR_RNDN);
            function.exact(truth, x, MPFR_RNDN);
            double found = error(pairs[i][1], truth, difference);
            if (found > largest) {
                largest = found;
                at = pairs[i][0];
            }
        }
    printf("%llu %.17g %.17g\n", done, largest, at);
    return 0;
}
