//! What no vector can show: alignment, numbers, versions, half precision.

use crate::dtype::Dtype;
use crate::json::{self, Value};
use crate::manifest::{Decision, Tolerance};
use crate::tensor::{Buffer, Tensor, count, is_aligned};
use crate::tolerance::compare;
use crate::view::TensorMut;
use crate::{half, host};

#[test]
fn buffers_start_where_they_are_told() {
    for (length, offset) in [(0, 0), (1, 15), (16, 4), (100, 8)] {
        let buffer = Buffer::copy(&vec![7; length], offset).unwrap();
        assert_eq!(buffer.bytes().as_ptr() as usize % 16, offset);
        assert_eq!(buffer.bytes(), vec![7; length]);
    }
    assert!(is_aligned(Buffer::zeroed(0, 0).unwrap().bytes()));
    // Else the compiler leaves the allocation out, which then does not fail.
    let huge = std::hint::black_box(isize::MAX as usize / 2);
    assert!(std::hint::black_box(Buffer::zeroed(huge, 0)).is_err());
}

#[test]
fn sizes_do_not_overflow() {
    assert_eq!(count(&[u64::MAX, u64::MAX, 0]), Some(0));
    assert_eq!(count(&[u64::MAX, 2]), None);
    assert_eq!(count(&[]), Some(1));
}

#[test]
fn the_canonical_spelling_is_the_only_one() {
    for good in [r#"{"a":[],"b":{"\u0001":-1}}"#, "\"\u{7f}/\u{2028}\"", "[9007199254740991,true]"] {
        assert!(
            json::parse(good.as_bytes(), 16).is_some_and(|tree| tree.is_canonical(good.as_bytes(), true)),
            "{good}"
        );
    }
    for bad in [
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"a":1}"#,
        "1.0",
        "-0",
        "null",
        r#""\/""#,
        r#""\ud800""#,
        r#""\u000A""#,
        " 1",
        "9007199254740992",
    ] {
        let tree = json::parse(bad.as_bytes(), 16).expect("it is JSON");
        assert!(!tree.is_canonical(bad.as_bytes(), true), "{bad}");
    }
    for none in [
        "",
        "01",
        "1.",
        "tru",
        "[1,]",
        "\"\t\"",
        "{\"a\"}",
        "1 2",
        "\u{feff}1",
        r#""\ud80""#,
        "-",
        "+1",
        ".5",
    ] {
        assert!(json::parse(none.as_bytes(), 16).is_none(), "{none}");
    }
    assert_eq!(json::parse(br#""\ud83d\ude00""#, 16), Some(Value::text("\u{1f600}")));
}

#[test]
fn versions_are_compared_by_number() {
    assert!(host::numbers("1.31.1") > host::numbers("1.9.0"));
    assert_eq!(host::numbers("1.31.1-dev+abc"), [1, 31, 1]);
}

#[test]
fn nan_meets_nan_and_infinity_the_same_infinity() {
    let row = |values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::copy(Dtype::Float32, vec![values.len() as u64], &bytes).unwrap()
    };
    let holds = |a: &[f32], b: &[f32], tolerance| compare(&row(a), &row(b), tolerance, Decision::None).passed;
    for tolerance in
        [Tolerance::Exact, Tolerance::Close, Tolerance::Absolute(1.0), Tolerance::Quantized(1.0, 1.0)]
    {
        assert!(holds(&[f32::NAN, f32::INFINITY], &[-f32::NAN, f32::INFINITY], tolerance));
        assert!(!holds(&[f32::NAN], &[1.0], tolerance));
        assert!(!holds(&[f32::INFINITY], &[f32::NEG_INFINITY], tolerance));
        assert!(!holds(&[f32::MAX], &[f32::INFINITY], tolerance));
        assert!(holds(&[], &[], tolerance));
    }
    assert!(!holds(&[0.0], &[-0.0], Tolerance::Exact));
    assert!(holds(&[0.0], &[-0.0], Tolerance::Close));
}

#[test]
fn half_precision_is_compared_as_numbers() {
    let half = |bits: u16| Tensor::copy(Dtype::Float16, vec![1], &bits.to_le_bytes()).unwrap();
    let holds = |a, b| compare(&half(a), &half(b), Tolerance::Close, Decision::None).passed;
    assert!(holds(0x3c00, 0x3c01)); // 1 and the next number
    assert!(!holds(0x3c00, 0x4000)); // 1 and 2
    assert!(holds(0x7e00, 0xfe01) && !holds(0x7c00, 0xfc00));
}

#[test]
fn every_half_comes_back() {
    for bits in 0..=u16::MAX {
        let number = half::to_f64(bits);
        assert!(number.is_nan() || half::from_f64(number) == bits, "{bits:04x}");
    }
    // Halfway between two: the even one; above the largest and its half step: infinity.
    for (number, bits) in [(1.0 + 2_f64.powi(-11), 0x3c00), (1.0 + 3.0 * 2_f64.powi(-11), 0x3c02)] {
        assert_eq!(half::from_f64(number), bits);
    }
    for (number, bits) in [(65519.9, 0x7bff), (65520.0, 0x7c00), (1e9, 0x7c00), (-1e-9, 0x8000), (3e-8, 1)] {
        assert_eq!(half::from_f64(number), bits, "{number}");
    }
}

#[test]
fn decisions_are_counted_where_they_differ() {
    let row = |values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::copy(Dtype::Float32, vec![values.len() as u64], &bytes).unwrap()
    };
    let count = |a: &[f32], b: &[f32], decision| {
        let found = compare(&row(a), &row(b), Tolerance::Absolute(0.125), decision);
        (found.flips, found.near_ties)
    };
    assert_eq!(count(&[0.0, 1.0], &[1.0, 0.0], Decision::Argmax), (1, 0));
    assert_eq!(count(&[0.5, 0.55], &[0.55, 0.5], Decision::Argmax), (0, 1));
    assert_eq!(count(&[0.5, 0.55], &[0.5, 0.55], Decision::Argmax), (0, 0));
    assert_eq!(count(&[1.0], &[2.0], Decision::Argmax), (0, 0));
    assert_eq!(count(&[0.4, 0.9], &[0.6, 0.1], Decision::Threshold), (1, 1));
    assert_eq!(count(&[3.0, f32::NAN], &[4.0, f32::NAN], Decision::Equal), (1, 0));
    assert_eq!(count(&[3.0], &[4.0], Decision::None), (0, 0));
}

#[test]
fn buffers_overlap_where_they_share_a_byte() {
    let (mut bytes, mut none, mut strings) = ([0_u8; 32], [0_u8; 0], []);
    let (low, high) = bytes.split_at_mut(16);
    let (a, b) = (TensorMut::new(&[16], low), TensorMut::new(&[16], high));
    let shared =
        |a: &TensorMut, b: &TensorMut| a.memory().zip(b.memory()).is_some_and(|(a, b)| a.overlaps(&b));
    assert!(!shared(&a, &b) && !shared(&b, &a) && shared(&a, &a));
    let (empty, text) = (TensorMut::new(&[0], &mut none), TensorMut::from_strings(&[0], &mut strings));
    assert!(!shared(&empty, &empty) && !shared(&text, &text));
}
