//! float16 as numbers, which Rust has no stable type for.

/// The value of a float16.
pub(crate) fn to_f64(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The float16 that is nearest, the even one of two.
pub(crate) fn from_f64(number: f64) -> u16 {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    if number.is_nan() {
        return sign | 0x7e00;
    }
    let size = number.abs();
    if size == 0.0 {
        return sign;
    }
    // The exponent of a normal number; below -14 the steps stay those of -14.
    let exponent = size.log2().floor().clamp(-14.0, 16.0) as i32;
    // Scaling by a power of two is exact, so this rounds once.
    let steps = (size * 2_f64.powi(10 - exponent)).round_ties_even();
    if exponent > 15 || (exponent == 15 && steps >= 2048.0) {
        return sign | 0x7c00;
    }
    // A carry out of the fraction moves to the next exponent by itself.
    let base = (exponent + 14) as u16 * 1024;
    sign | (base + steps as u16)
}
