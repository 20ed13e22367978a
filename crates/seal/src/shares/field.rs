//! The field GF(2^8) with the polynomial of AES (FIPS 197, section 4), and polynomials over it.
//! Nothing here branches on, or is looked up by, a secret value.

/// Product of two elements.
const fn times(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0_u8);
    let mut bit = 0;
    while bit < 8 {
        product ^= a & (b & 1).wrapping_neg();
        a = (a << 1) ^ (0x1B & (a >> 7).wrapping_neg());
        b >>= 1;
        bit += 1;
    }
    product
}

/// The element that gives 1 with `a`; 0 for 0: a^254.
const fn inverse(a: u8) -> u8 {
    let (mut power, mut out) = (a, 1_u8);
    let mut step = 0;
    while step < 7 {
        power = times(power, power);
        out = times(out, power);
        step += 1;
    }
    out
}

/// The polynomial with these coefficients (the constant one first) at `x`.
pub(super) fn at(x: u8, coefficients: impl DoubleEndedIterator<Item = u8>) -> u8 {
    coefficients.rev().fold(0, |sum, one| times(sum, x) ^ one)
}

/// The value at 0 of the polynomial through these points (x, y): Lagrange's formula. The `x`
/// differ and are not 0.
pub(super) fn at_zero(points: &[(u8, u8)]) -> u8 {
    points.iter().fold(0, |sum, (x, y)| {
        let others = points.iter().filter(|(other, _)| other != x);
        let factor = others.fold(1, |product, (other, _)| {
            times(product, times(*other, inverse(*other ^ x)))
        });
        sum ^ times(*y, factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_field_of_fips_197() {
        // FIPS 197, section 4.2: {57} by {83}, and {57} by {13}.
        assert_eq!(times(0x57, 0x83), 0xC1);
        assert_eq!(times(0x57, 0x13), 0xFE);
        for a in 0..=255 {
            assert_eq!(times(a, 1), a);
            assert_eq!(times(a, inverse(a)), u8::from(a != 0));
            for b in 0..=255 {
                assert_eq!(times(a, b), times(b, a));
                assert_eq!(times(a, b ^ 0x35), times(a, b) ^ times(a, 0x35));
            }
        }
    }

    #[test]
    fn a_polynomial_is_found_again_from_its_points() {
        let polynomial = [0x42, 0x07, 0xFF, 0x80];
        let points: Vec<(u8, u8)> = [9, 3, 200, 255]
            .map(|x| (x, at(x, polynomial.into_iter())))
            .into();
        assert_eq!(at(0, polynomial.into_iter()), 0x42);
        assert_eq!(at_zero(&points), 0x42);
        assert_ne!(at_zero(&points[..3]), 0x42);
    }
}
